# SPDX-License-Identifier: GPL-2.0
svm-y := svm.o hw.o vmcb.o run.o enter.o exits.o insn.o events.o nmi.o perm.o tlb.o debug.o
