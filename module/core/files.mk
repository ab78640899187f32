# SPDX-License-Identifier: GPL-2.0
# What all engines share.

# Files, fds, memory, buses
core-y := trace.o
