// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fuzz_translate
 *
 * libFuzzer on the software engine's translator.  The input is features, where the code
 * starts and code; or a seed of the generator of test_translate_random, whose program the
 * rest of the input spoils.  It is translated into a small cache, over and over, without being run.
 *
 * Nothing may be written outside of the cache and its tables.  What was emitted is followed from
 * the entry: it decodes, branches stay in the cache, an exit is known to soft_tc_where(), and no
 * instruction is there that at CPL 3 does something else than at CPL 0.
 */
#include <Zydis/Zydis.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tc.h"
#include "test_decode_zydis.h"
#include "test_translate_gen.h"
#include "umbra/decode.h"
#include "umbra/emul.h"

#define GUEST	0x20000000ull		/* the code that is translated, two pages and more */
#define CACHE	0x500000400000ull	/* addresses of the cache: nothing is there */
#define SIZE	0x10000u
#define RIPS	8			/* blocks of one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct soft_tc_config config;
static struct soft_tc *tc;
static ZydisDecoder decoder;
static u64 end;				/* of the guest's readable code */
static u64 spans[64][SOFT_TC_SPAN];
static bool has_span[64];

static void demand(bool good)
{
	if (!good)
		abort();
}

/* Half of the spans have tables. */
static u64 *give_span(void *ctx, u64 rip, bool *fresh)
{
	u64 i = (rip - GUEST) / SOFT_TC_SPAN;

	(void)ctx;
	if (i >= 64 || i % 2)
		return NULL;
	*fresh = !has_span[i];
	has_span[i] = true;
	return spans[i];
}

static void take_spans(void *ctx)
{
	(void)ctx;
	memset(has_span, 0, sizeof(has_span));
}

static void set_up(void)
{
	demand(mmap((void *)GUEST, GEN_STACK + GEN_STACK_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)GUEST);
	config = (struct soft_tc_config){
		.buf = malloc(SIZE),
		.size = SIZE,
		.room = SIZE,
		.va = CACHE,
		.vdata_va = CACHE - 0x300000,
		.vif_va = CACHE - 0x2ff000,
		.targets = malloc(8 * SOFT_TC_TARGETS),
		.window_va = CACHE - 0x180000,
		.span = give_span,
		.unspan = take_spans,
		.meta = malloc(soft_tc_meta_size(SIZE)),
	};
	for (unsigned int i = 0; i < SOFT_TC_NR_RECORDS; i++)
		config.records[i] = malloc(soft_tc_records_size(SIZE, i));
	demand(!soft_tc_create(&config, &tc));
	zydis_setup();
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
}

static int fetch(void *ctx, u64 gva, u8 *buf, unsigned int len)
{
	(void)ctx;
	demand(len && (gva & 0xfff) + len <= 0x1000);
	if (gva < GUEST || gva >= end)
		return 0;
	if (len > end - gva)
		len = end - gva;
	memcpy(buf, (void *)gva, len);
	return len;
}

/* What must not be in emitted code. */
static bool is_forbidden(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
	unsigned int i;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_HLT:
		return false;
	case ZYDIS_MNEMONIC_SGDT: case ZYDIS_MNEMONIC_SIDT: case ZYDIS_MNEMONIC_SLDT:
	case ZYDIS_MNEMONIC_STR: case ZYDIS_MNEMONIC_SMSW: case ZYDIS_MNEMONIC_LAR:
	case ZYDIS_MNEMONIC_LSL: case ZYDIS_MNEMONIC_VERR: case ZYDIS_MNEMONIC_VERW:
	case ZYDIS_MNEMONIC_CPUID: case ZYDIS_MNEMONIC_INT: case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_INT3: case ZYDIS_MNEMONIC_RET: case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD: case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFQ: case ZYDIS_MNEMONIC_CLI:
	case ZYDIS_MNEMONIC_STI: case ZYDIS_MNEMONIC_SYSENTER: case ZYDIS_MNEMONIC_SYSEXIT:
	case ZYDIS_MNEMONIC_SYSRET: case ZYDIS_MNEMONIC_RDPMC: case ZYDIS_MNEMONIC_IN:
	case ZYDIS_MNEMONIC_OUT: case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW:
	case ZYDIS_MNEMONIC_INSD: case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW:
	case ZYDIS_MNEMONIC_OUTSD:
		return true;
	case ZYDIS_MNEMONIC_SYSCALL:
		return !config.services;
	case ZYDIS_MNEMONIC_RDTSC:
		return !config.rdtsc;
	case ZYDIS_MNEMONIC_RDTSCP:
		return !config.rdtscp;
	case ZYDIS_MNEMONIC_RDPID:
		return !config.rdpid;
	case ZYDIS_MNEMONIC_RDFSBASE: case ZYDIS_MNEMONIC_WRFSBASE:
	case ZYDIS_MNEMONIC_RDGSBASE: case ZYDIS_MNEMONIC_WRGSBASE:
		return !config.fsgsbase && !config.swapgs;
	default:
		break;
	}
	for (i = 0; i < in->operand_count; i++)
		if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(op[i].reg.value) == ZYDIS_REGCLASS_SEGMENT)
			return true;
	return in->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED ||
	       in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
}

/* The length of an instruction in the cache; *known: and Zydis knows it. */
static unsigned int decode(u64 va, ZydisDecodedInstruction *in, ZydisDecodedOperand *op,
			   bool *known)
{
	const u8 *code = config.buf + (va - CACHE);
	unsigned int room = SIZE - (va - CACHE);
	u8 copy[UMBRA_INSN_MAX] = { 0 };
	struct zydis_tally tally = { 0 };
	int len;

	*known = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, room < 15 ? room : 15, in, op));
	if (*known)
		return in->length;
	/* One of the guest's, copied, about which decoders differ. */
	memcpy(copy, code, room < sizeof(copy) ? room : sizeof(copy));
	zydis_compare(2, copy, &tally);
	len = umbra_emul_insn_len(copy, sizeof(copy), zydis_modes[2]);
	demand(!tally.wrong && len > 0);
	return len;
}

/* Follow what was emitted from an entry on, each path until it leaves. */
static void check_code(u64 entry)
{
	static unsigned int seen[SIZE], round;
	static u64 todo[SIZE];
	unsigned int n = 0;
	struct soft_where w;

	round++;
	todo[n++] = entry;
	while (n) {
		u64 va = todo[--n];

		while (seen[va - CACHE] != round) {
			ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
			ZydisDecodedInstruction in;
			unsigned int len;
			bool known;

			seen[va - CACHE] = round;
			demand(!soft_tc_where(tc, va, &w));
			len = decode(va, &in, op, &known);
			demand(va + len <= CACHE + SIZE);
			demand(!known || !is_forbidden(&in, op));
			if (known && in.mnemonic == ZYDIS_MNEMONIC_HLT) {
				demand(w.exit >= SOFT_CALLOUT);
				break;
			}
			if (known && in.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
			    op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
				u64 target = va + len + op[0].imm.value.s;

				demand(target - CACHE < SIZE && n < SIZE);
				todo[n++] = target;
			}
			if (known && in.mnemonic == ZYDIS_MNEMONIC_JMP)
				break;
			va += len;
			demand(va - CACHE < SIZE);
		}
	}
}

static void translate(u64 rip)
{
	u64 va = soft_tc_lookup(tc, rip);
	int ret;

	if (va)
		return;
	ret = soft_tc_translate(tc, rip, fetch, NULL, &va);
	if (ret == -ENOSPC) {
		soft_tc_flush(tc);
		ret = soft_tc_translate(tc, rip, fetch, NULL, &va);
		demand(ret != -ENOSPC);
	}
	demand(!ret || ret == -EFAULT);
	if (ret)
		return;
	demand(soft_tc_lookup(tc, rip) == va && va - CACHE < SIZE);
	check_code(va);
}

/* The guest's code from the input; returns where it starts. */
static u64 make_code(const uint8_t *data, size_t size)
{
	u64 start = GUEST + (data[1] & 1 ? 0xff0 - (data[1] >> 1) : data[1] * 8);
	unsigned int i;

	memset((void *)GUEST, 0xf4, 0x2000);
	end = GUEST + 0x2000;
	data += 2;
	size -= 2;
	if (size >= 4 && data[-2] & 0x80) {
		start = GUEST + 16 + (start & 0x7ef);
		gen_seed(1 + (data[0] | data[1] << 8));
		gen_program(GUEST, start - GUEST, true);
		end = GUEST + GEN_CODE_SIZE;
		for (i = 2; i + 2 < size; i += 3)
			((u8 *)start)[(data[i] | data[i + 1] << 8) & 0x7ff] = data[i + 2];
	} else {
		memcpy((void *)start, data, size < 256 ? size : 256);
		if (size & 1)
			end = start + size;
	}
	return start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct soft_where w;
	unsigned int i;
	u64 start;

	if (size < 3)
		return 0;
	if (!tc)
		set_up();
	config.fsgsbase = config.swapgs = data[0] & 1;
	config.rdtsc = data[0] & 2;
	config.rdtscp = config.rdtsc && data[0] & 4;
	config.rdpid = data[0] & 8;
	config.serialize = data[0] & 0x10;
	config.services = data[0] & 0x20;
	config.single = data[0] & 0x40;
	soft_tc_flush(tc);
	soft_tc_features(tc, &config);
	start = make_code(data, size);
	for (i = 0; i < RIPS; i++)
		translate(start + i * (data[2] & 7));
	/* What the code says is where an exit leads, and what a write drops. */
	for (i = data[2]; i < SIZE; i += 251)
		soft_tc_where(tc, CACHE + i, &w);
	soft_tc_drop(tc, start + data[2] % 64, 1 + size % 32);
	for (i = 0; i < RIPS; i++)
		translate(start + i);
	soft_tc_drop(tc, GUEST, GEN_CODE_SIZE);
	demand(!soft_tc_lookup(tc, start));
	return 0;
}
