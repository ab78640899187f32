# SPDX-License-Identifier: GPL-2.0
"""House checks as test cases."""

import house
from registry import case

case("house/checkpatch", weight=20)(house.checkpatch)
case("house/sparse", weight=40)(house.sparse)
case("house/kernel-doc")(house.kernel_doc)
case("house/headers", weight=30)(house.headers_alone)
case("house/includes")(house.include_rules)
case("house/conditionals")(house.conditionals)
case("house/form")(house.form)
case("house/doc-blocks")(house.doc_block)
case("house/documentation")(house.documentation)
case("house/tour")(house.tour)
case("house/tour-check")(house.tour_self_test)
case("house/apt-line")(house.apt_line)
