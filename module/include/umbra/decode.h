/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the decoder, for others than the emulator
 *
 * Where the parts of an encoded instruction are, and what the opcode tables say
 * of it: what a binary translator needs to copy or rewrite it.  64-bit mode
 * only.
 */
#ifndef UMBRA_DECODE_H
#define UMBRA_DECODE_H

#include "umbra/types.h"

/* How the opcode was reached. */
enum umbra_insn_enc {
	UMBRA_ENC_LEGACY,
	UMBRA_ENC_VEX,
	UMBRA_ENC_XOP,
	UMBRA_ENC_EVEX,
};

#define UMBRA_REX_B	BIT(0)
#define UMBRA_REX_X	BIT(1)
#define UMBRA_REX_R	BIT(2)
#define UMBRA_REX_W	BIT(3)

#define UMBRA_NO_SEG	0xff

/**
 * struct umbra_insn - the shape of an instruction
 * @len: bytes
 * @enc: enum umbra_insn_enc
 * @map: 1 one-byte, 2 0F, 3 0F38, 4 0F3A; VEX, XOP, EVEX: mmmmm
 * @opcode: opcode byte
 * @rep: 0, 0xf2 or 0xf3
 * @osz: a 66 prefix is there
 * @asz: a 67 prefix is there
 * @lock: a LOCK prefix is there
 * @rex: UMBRA_REX_* bits, whatever prefix they came from
 * @seg: UMBRA_FS, UMBRA_GS or UMBRA_NO_SEG
 * @opsize: operand size in bytes: 2, 4 or 8
 * @has_modrm: there is a ModRM byte
 * @modrm: it
 * @mod: its mod field (3: a register, even where the processor ignores the field)
 * @reg: its reg field, extended by REX.R
 * @rm: its rm field, extended by REX.B
 * @vvvv: the extra register of VEX, XOP and EVEX
 * @modrm_off: offset of ModRM in the bytes
 * @disp_off: offset of the displacement, 0: none
 * @disp_len: its length
 * @disp: it, sign-extended
 * @imm: immediate or branch displacement, sign-extended, 0: none
 * @rip_relative: the memory operand is RIP-relative
 * @undefined: #UD on any processor that Umbra shows
 * @privileged: needs CPL 0
 */
struct umbra_insn {
	u8 len;
	u8 enc;
	u8 map;
	u8 opcode;
	u8 rep;
	bool osz;
	bool asz;
	bool lock;
	u8 rex;
	u8 seg;
	u8 opsize;
	bool has_modrm;
	u8 modrm;
	u8 mod;
	u8 reg;
	u8 rm;
	u8 vvvv;
	u8 modrm_off;
	u8 disp_off;
	u8 disp_len;
	u64 disp;
	u64 imm;
	bool rip_relative;
	bool undefined;
	bool privileged;
};

/**
 * umbra_insn_decode() - decode one instruction of 64-bit mode
 * @insn: result; valid after 0
 * @buf: code bytes
 * @len: how many there are
 *
 * Return: 0; -EINVAL: no such encoding (#UD); -ENODATA: @buf ends too early;
 * -E2BIG: longer than 15 bytes (#GP).
 */
int umbra_insn_decode(struct umbra_insn *insn, const u8 *buf, unsigned int len);

#endif
