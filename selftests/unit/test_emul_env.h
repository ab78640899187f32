/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a small machine for the emulator
 *
 * Memory in a few regions of linear addresses, ports, control registers and
 * MSRs that remember: enough of an owner for struct umbra_emul_ops.
 */
#ifndef TEST_EMUL_ENV_H
#define TEST_EMUL_ENV_H

#include "umbra/emul.h"

#define ENV_REGIONS	8

/**
 * struct env_region - linear memory
 * @base: linear address
 * @size: bytes
 * @mem: contents
 * @ro: not writable
 * @super: supervisor only
 */
struct env_region {
	u64 base;
	u64 size;
	u8 *mem;
	bool ro;
	bool super;
};

/**
 * struct env - the machine
 * @e: the emulation
 * @regs: its registers
 * @region: memory
 * @regions: how many
 * @vec: vector registers
 * @fx: FXSAVE area
 * @ximage: image of XSAVE state
 * @xfeatures: what is in it
 * @xcomponent: where
 * @mxcsr_mask: for XSAVE
 * @port_val: what IN returns
 * @port: last port accessed
 * @port_size: and its size
 * @port_out: last value written
 * @ports: accesses so far
 * @msr_index: last MSR accessed
 * @msr: its value
 * @io_at: accesses to this linear page return UMBRA_EMUL_IO
 * @races: cmpxchg fails that many times
 * @invlpg: last address
 * @writes: write callbacks so far
 * @blocks: memory may be moved by blocks
 * @block_writes: times that memory was found writable for that
 */
struct env {
	struct umbra_emul e;
	struct umbra_regs regs;
	struct env_region region[ENV_REGIONS];
	unsigned int regions;
	u8 vec[32][64];
	u8 fx[512];
	u8 ximage[4096];
	u64 xfeatures;
	struct umbra_xcomponent xcomponent[64];
	u32 mxcsr_mask;
	u32 port_val;
	u16 port;
	unsigned int port_size;
	u32 port_out;
	unsigned int ports;
	u32 msr_index;
	u64 msr;
	u64 io_at;
	unsigned int races;
	u64 invlpg;
	unsigned int writes;
	bool blocks;
	unsigned int block_writes;
};

/* UMBRA_EMUL_F_ALL but for what this machine's processor cannot execute for the emulator. */
u64 env_host_features(void);

void env_init(struct env *v);
u8 *env_map(struct env *v, u64 base, u64 size);
u8 *env_at(struct env *v, u64 gva);
void env_flat64(struct env *v, unsigned int cpl);
void env_flat32(struct env *v, unsigned int cpl);
void env_real(struct env *v);

#endif
