# SPDX-License-Identifier: GPL-2.0
soft-y := soft.o run.o exits.o code.o segs.o area.o host.o switch.o
soft-y += tc.o tc_chain.o tc_slot.o tc_where.o
soft-y += translate.o translate_class.o translate_copy.o translate_emit.o translate_flow.o translate_system.o

# Its stack is not one that objtool knows.
OBJECT_FILES_NON_STANDARD_switch.o := y
