# SPDX-License-Identifier: GPL-2.0
# The translator; the engine's files.mk includes this.
soft-tc-y := tc.o tc_chain.o tc_slot.o tc_where.o
soft-tc-y += translate.o translate_class.o translate_copy.o translate_emit.o translate_flow.o translate_system.o
soft-tc-y += translate_quick.o translate_trace.o
