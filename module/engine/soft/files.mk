# SPDX-License-Identifier: GPL-2.0
include $(src)/module/engine/soft/tc.mk
soft-y := soft.o run.o exits.o code.o show.o segs.o area.o host.o switch.o $(soft-tc-y)
