# SPDX-License-Identifier: GPL-2.0
mmu-y := walk.o role.o spte.o pool.o rmap.o page.o zap.o notifier.o slot.o
mmu-y += write.o sync.o code.o shrink.o prefetch.o root.o leaf.o device.o quick.o
mmu-y += fault.o now.o ctx.o mmu.o audit.o host.o
