/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: inside core
 *
 * What the files that make devices, VMs, vCPUs and fds call of each other.
 * Nobody outside core and main.c sees this.
 */
#ifndef UMBRA_CORE_INTERNAL_H
#define UMBRA_CORE_INTERNAL_H

#include "umbra/vcpu.h"
#include "umbra/vm.h"

/* Guest frames end here: page walks know 52 physical address bits. */
#define UMBRA_MAX_GFN		((1ull << (52 - UMBRA_PAGE_SHIFT)) - 1)

/* Pages of a vCPU fd's mapping: kvm_run, data of port I/O, coalesced ring. */
enum { UMBRA_MMAP_RUN, UMBRA_MMAP_PIO, UMBRA_MMAP_COALESCED, UMBRA_MMAP_PAGES };

/* engine.c */
int umbra_engine_init(const char *name);
const struct umbra_engine *umbra_engine_current(void);
void umbra_engine_list(char *buf, size_t size);

/* device.c */
int umbra_device_init(bool kvm_node);
void umbra_device_exit(void);

/* caps.c */
long umbra_cap_check(struct umbra_vm *vm, unsigned long cap);

/* main.c: module parameter, for VMs to come */
extern bool umbra_force_emulation;

/* vm.c: the VM behind its fd, or NULL for another kind of file */
int umbra_vm_create_fd(void);

/* vcpu.c */
int umbra_kick_init(void);
void umbra_kick_exit(void);
void umbra_vcpu_free(struct umbra_vcpu *vcpu);

/* memslot.c: vm->slots_lock held, or the VM has no users left */
int umbra_memslots_init(struct umbra_vm *vm);
void umbra_memslots_free(struct umbra_vm *vm);
void umbra_memslot_mark_dirty(struct umbra_memslot *slot, gfn_t gfn);

/* guest_mem.c: for the shadow MMU, see struct umbra_mmu_ops */
int umbra_guest_read_mmu(struct umbra_vm *vm, gpa_t gpa, void *buf, unsigned int len,
			 bool atomic);
/* For who wrote by itself: tell the dirty log and the shadow MMU. */
void umbra_guest_wrote(struct umbra_vm *vm, struct umbra_memslot *slot, gpa_t gpa,
		       unsigned int len);

/* bus.c */
int umbra_bus_init(struct umbra_vm *vm);
void umbra_bus_free(struct umbra_vm *vm);

/* irqfd.c */
int umbra_irqfd_init(void);
void umbra_irqfd_exit(void);
int umbra_irqfds_create(struct umbra_vm *vm);
/* The VM fd is closed: no eventfd reaches this VM any more. */
void umbra_irqfds_release(struct umbra_vm *vm);
void umbra_irqfds_free(struct umbra_vm *vm);

/* coalesced.c */
struct page *umbra_coalesced_page(struct umbra_vm *vm);
void umbra_coalesced_free(struct umbra_vm *vm);

/* debugfs.c */
void umbra_debugfs_init(void);
void umbra_debugfs_exit(void);
void umbra_debugfs_vm(struct umbra_vm *vm, int fd);
void umbra_debugfs_vcpu(struct umbra_vcpu *vcpu);
void umbra_debugfs_free(struct umbra_vm *vm);

#endif
