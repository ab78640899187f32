// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what CPUID offers, the emulator does
 *
 * A row for every feature bit in the table of module/core/cpuid.c: an instruction that it
 * brings, or none.  The instruction must be emulated or raise an exception; where it
 * stops the emulator the row says so, as does Documentation/errata.rst.  The
 * table is read as text, so that a bit that is new there must get its row here.
 */
#include <ctype.h>

#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_page.h"

#define NONE	.len = 0
#define STOPS	.stops = true
#define INTELS	.intels = true
#define I(...)	.insn = { __VA_ARGS__ }, .len = sizeof((const u8[]){ __VA_ARGS__ })

struct row {
	const char *name;
	u8 insn[12];
	u8 len;
	bool stops;
	bool intels;	/* on AMD's processors not in 64-bit mode */
	u64 needs;	/* that the processor has this, for a stub */
};

static const struct row rows[] = {
	{ "FPU", I(0xd8, 0x06) },
	{ "VME", NONE }, { "DE", NONE }, { "PSE", NONE }, { "PAE", NONE }, { "MCE", NONE },
	{ "MTRR", NONE }, { "PGE", NONE }, { "MCA", NONE }, { "PAT", NONE }, { "PSE36", NONE },
	{ "SELFSNOOP", NONE }, { "X2APIC", NONE }, { "HYPERVISOR", NONE }, { "SMEP", NONE },
	{ "ERMS", I(0xf3, 0xa4) }, { "FSRM", I(0xf3, 0xa4) },
	{ "FDP_EXCPTN_ONLY", NONE }, { "ZERO_FCS_FDS", NONE }, { "TSC_ADJUST", NONE },
	{ "UMIP", I(0x0f, 0x01, 0x06) }, { "MD_CLEAR", I(0x0f, 0x00, 0x2e) }, { "NX", NONE },
	{ "FXSR_OPT", I(0x0f, 0xae, 0x06) }, { "GBPAGES", NONE }, { "CMP_LEGACY", NONE },
	{ "OSVW", NONE }, { "XSAVEERPTR", I(0x0f, 0xae, 0x26) }, { "APIC", NONE },
	{ "TSC", I(0x0f, 0x31) }, { "MSR", I(0x0f, 0x32) }, { "CX8", I(0x0f, 0xc7, 0x0e) },
	{ "CMOV", I(0x0f, 0x42, 0x06) }, { "MMX", I(0x0f, 0xfc, 0x06) },
	{ "FXSR", I(0x0f, 0xae, 0x06) }, { "SEP", I(0x0f, 0x34), INTELS },
	{ "CLFLUSH", I(0x0f, 0xae, 0x3e) }, { "XMM", I(0x0f, 0x58, 0x06) },
	{ "XMM2", I(0x66, 0x0f, 0x58, 0x06) },
	{ "XMM3", I(0xf2, 0x0f, 0x7c, 0x06), .needs = UMBRA_EMUL_F_SSE3 },
	{ "PCLMULQDQ", I(0x66, 0x0f, 0x3a, 0x44, 0x06, 0), .needs = UMBRA_EMUL_F_PCLMUL },
	{ "SSSE3", I(0x66, 0x0f, 0x38, 0x00, 0x06), .needs = UMBRA_EMUL_F_SSSE3 },
	{ "FMA", I(0xc4, 0xe2, 0x71, 0x98, 0x06), .needs = UMBRA_EMUL_F_FMA },
	{ "CX16", I(0x48, 0x0f, 0xc7, 0x0e) },
	{ "XMM4_1", I(0x66, 0x0f, 0x38, 0x40, 0x06), .needs = UMBRA_EMUL_F_SSE41 },
	{ "XMM4_2", I(0x66, 0x0f, 0x38, 0x37, 0x06), .needs = UMBRA_EMUL_F_SSE42 },
	{ "MOVBE", I(0x0f, 0x38, 0xf0, 0x06) }, { "POPCNT", I(0xf3, 0x0f, 0xb8, 0x06) },
	{ "AES", I(0x66, 0x0f, 0x38, 0xdc, 0x06), .needs = UMBRA_EMUL_F_AES },
	{ "XSAVE", I(0x0f, 0x01, 0xd0) },
	{ "AVX", I(0xc5, 0xf4, 0x58, 0x06), .needs = UMBRA_EMUL_F_AVX },
	{ "F16C", I(0xc4, 0xe2, 0x7d, 0x13, 0x06), .needs = UMBRA_EMUL_F_F16C },
	{ "RDRAND", I(0x0f, 0xc7, 0xf0) }, { "RDSEED", I(0x0f, 0xc7, 0xf8) },
	{ "FSGSBASE", I(0xf3, 0x48, 0x0f, 0xae, 0xc0) }, { "BMI1", I(0xc4, 0xe2, 0x70, 0xf2, 0x06) },
	{ "AVX2", I(0xc4, 0xe2, 0x75, 0x8c, 0x06), .needs = UMBRA_EMUL_F_AVX2 },
	{ "BMI2", I(0xc4, 0xe2, 0x73, 0xf6, 0x06) }, { "ADX", I(0x66, 0x0f, 0x38, 0xf6, 0x06) },
	{ "SMAP", I(0x0f, 0x01, 0xcb) }, { "CLFLUSHOPT", I(0x66, 0x0f, 0xae, 0x3e) },
	{ "CLWB", I(0x66, 0x0f, 0xae, 0x36) },
	{ "SHA_NI", I(0x0f, 0x38, 0xc8, 0x06), .needs = UMBRA_EMUL_F_SHA },
	{ "GFNI", I(0x66, 0x0f, 0x38, 0xcf, 0x06), .needs = UMBRA_EMUL_F_GFNI },
	{ "VAES", I(0xc4, 0xe2, 0x75, 0xdc, 0x06), .needs = UMBRA_EMUL_F_VAES },
	{ "VPCLMULQDQ", I(0xc4, 0xe3, 0x75, 0x44, 0x06, 0), .needs = UMBRA_EMUL_F_VPCLMUL },
	{ "MOVDIRI", I(0x0f, 0x38, 0xf9, 0x06) }, { "MOVDIR64B", I(0x66, 0x0f, 0x38, 0xf8, 0x06) },
	{ "SERIALIZE", I(0x0f, 0x01, 0xe8) }, { "XSAVEOPT", I(0x0f, 0xae, 0x36) },
	{ "XSAVEC", I(0x0f, 0xc7, 0x26) }, { "XGETBV1", I(0x0f, 0x01, 0xd0) },
	{ "SYSCALL", I(0x0f, 0x05) }, { "MMXEXT", I(0x0f, 0x70, 0x06, 0) },
	{ "RDTSCP", I(0x0f, 0x01, 0xf9) }, { "LM", NONE },
	{ "3DNOWEXT", I(0x0f, 0x0f, 0x06, 0xbb), .needs = UMBRA_EMUL_F_3DNOWEXT },
	{ "3DNOW", I(0x0f, 0x0f, 0x06, 0x9e), .needs = UMBRA_EMUL_F_3DNOW },
	{ "LAHF_LM", I(0x9f) }, { "CR8_LEGACY", I(0xf0, 0x0f, 0x20, 0xc0) },
	{ "ABM", I(0xf3, 0x0f, 0xbd, 0x06) }, { "SSE4A", I(0x66, 0x0f, 0x79, 0xc1) },
	{ "MISALIGNSSE", I(0x0f, 0x58, 0x06) }, { "3DNOWPREFETCH", I(0x0f, 0x0d, 0x0e) },
	{ "CLZERO", I(0x0f, 0x01, 0xfc) }, { "WBNOINVD", I(0xf3, 0x0f, 0x09) },
	{ "XOP", I(0x8f, 0xe8, 0x70, 0xa2, 0x06, 0x20), STOPS },
	{ "FMA4", I(0xc4, 0xe3, 0x71, 0x68, 0x06, 0x20), STOPS },
	{ "TBM", I(0x8f, 0xe9, 0x70, 0x01, 0x0e), STOPS },
	{ "AVX512F", I(0x62, 0xf1, 0x74, 0x48, 0x58, 0x06), .needs = UMBRA_EMUL_F_AVX512 },
	{ "AVX512DQ", I(0x62, 0xf1, 0xf5, 0x48, 0x54, 0x06), .needs = UMBRA_EMUL_F_AVX512 },
	{ "AVX512IFMA", I(0x62, 0xf2, 0xf5, 0x48, 0xb4, 0x06), STOPS },
	{ "AVX512CD", I(0x62, 0xf2, 0x7d, 0x48, 0x44, 0x06), STOPS },
	{ "AVX512BW", I(0x62, 0xf1, 0x75, 0x48, 0xfc, 0x06), .needs = UMBRA_EMUL_F_AVX512 },
	{ "AVX512VL", I(0x62, 0xf1, 0x74, 0x28, 0x58, 0x06), .needs = UMBRA_EMUL_F_AVX512 },
	{ "AVX512VBMI", I(0x62, 0xf2, 0x75, 0x48, 0x8d, 0x06), STOPS },
	{ "AVX512_VBMI2", I(0x62, 0xf2, 0x75, 0x48, 0x71, 0x06), STOPS },
	{ "AVX512_VNNI", I(0x62, 0xf2, 0x75, 0x48, 0x50, 0x06), STOPS },
	{ "AVX512_BITALG", I(0x62, 0xf2, 0x7d, 0x48, 0x54, 0x06), STOPS },
	{ "AVX512_VPOPCNTDQ", I(0x62, 0xf2, 0x7d, 0x48, 0x55, 0x06), STOPS },
	{ "AVX512_4VNNIW", I(0x62, 0xf2, 0x77, 0x48, 0x52, 0x06), STOPS },
	{ "AVX512_4FMAPS", I(0x62, 0xf2, 0x77, 0x48, 0x9a, 0x06), STOPS },
	{ "AVX512_VP2INTERSECT", I(0x62, 0xf2, 0x77, 0x48, 0x68, 0x06), STOPS },
	{ "AVX512_FP16", I(0x62, 0xf5, 0x74, 0x48, 0x58, 0x06), STOPS },
};

static struct page_test t;
static u8 *code;
static u64 features;
static bool seen[ARRAY_SIZE(rows)];

static const struct row *find(const char *name, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) != len || strncmp(rows[i].name, name, len))
			continue;
		seen[i] = true;
		return &rows[i];
	}
	return NULL;
}

static void prepare(const struct row *row)
{
	static const struct umbra_xcomponent avx = { .offset = 576, .size = 256 };

	env_flat64(&t.v, 0);
	t.v.regs.cr4 |= X86_CR4_OSXMMEXCPT;
	t.v.regs.xcr0 = 0xe7;
	t.v.xfeatures = 7;
	t.v.mxcsr_mask = 0xffff;
	t.v.xcomponent[2] = avx;
	memset(t.v.fx, 0, sizeof(t.v.fx));
	t.v.fx[0] = 0x7f;
	t.v.fx[1] = 3;
	t.v.fx[24] = 0x80;
	t.v.fx[25] = 0x1f;
	memset(t.v.regs.gpr, 0, sizeof(t.v.regs.gpr));
	t.v.regs.gpr[UMBRA_RSI] = 0x10000;
	t.v.regs.gpr[UMBRA_RDI] = 0x10400;
	t.v.regs.gpr[UMBRA_RAX] = 0x10800;
	t.v.regs.rip = 0xf000;
	memcpy(code, row->insn, row->len);
}

static int op_random(struct umbra_emul *e, bool seed, u64 *val)
{
	*val = 1;
	return UMBRA_EMUL_OK;
}

/* NULL: it does what the row says. */
static const char *try(const struct row *row)
{
	int ret;

	if (!row->len || (row->needs & ~features))
		return NULL;
	prepare(row);
	t.v.e.features = row->intels ? features & ~UMBRA_EMUL_F_AMD : features | UMBRA_EMUL_F_AMD;
	ret = umbra_emulate(&t.v.e);
	if (row->stops)
		return ret == UMBRA_EMUL_UNHANDLED ? NULL : "does not stop";
	if (ret == UMBRA_EMUL_UNHANDLED)
		return t.v.e.reason;
	if (ret == UMBRA_EMUL_FAULT && t.v.e.fault.vector == EMUL_UD)
		return "#UD";
	return ret == UMBRA_EMUL_OK || ret == UMBRA_EMUL_FAULT ? NULL : "an odd end";
}

/* XCR0 says that the guest has AVX-512, but not which parts: it must not be #UD. */
static bool stops_without(u64 part)
{
	prepare(find("AVX512F", 7));
	t.v.e.features = features & ~part;
	return umbra_emulate(&t.v.e) == UMBRA_EMUL_UNHANDLED;
}

/* Every F(NAME) of the text has a row, and that is right. */
static void check(char *text)
{
	char *end = strstr(text, "static u32 *reg_of(");
	unsigned int bits = 0, bad = 0, len;
	const struct row *row;
	const char *why;

	if (!end)
		ktap_bail("no table in cpuid.c");
	*end = 0;
	for (text = strstr(text, "#define COMMON_EDX"); text; text = strstr(text, "F(")) {
		if (*text == '#') {
			text++;
			continue;
		}
		text += 2;
		for (len = 0; isalnum(text[len]) || text[len] == '_';)
			len++;
		row = find(text, len);
		why = row ? try(row) : "has no row";
		bits++;
		if (why && ++bad)
			printf("# %.*s: %s\n", (int)len, text, why);
	}
	ktap_ok(bits > 80 && !bad, "%u feature bits, %u wrong", bits, bad);
}

int main(void)
{
	FILE *f = fopen(MODULE_DIR "/core/cpuid.c", "r");
	static char text[1 << 17];
	struct umbra_emul_ops ops;
	unsigned int i, idle = 0;

	if (!f || !fread(text, 1, sizeof(text) - 1, f))
		ktap_skip_all("the module's source is not there");
	fclose(f);
	page_setup(&t, 1);
	ops = *t.v.e.ops;
	ops.random = op_random;
	t.v.e.ops = &ops;
	features = page_features() | UMBRA_EMUL_F_SSE4A;
	code = env_map(&t.v, 0xf000, 4096);
	env_map(&t.v, 0x10000, 4096);
	ktap_plan(3);
	check(text);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		idle += !seen[i];
	ktap_ok(!idle, "%u rows without a bit", idle);
	ktap_ok(stops_without(UMBRA_EMUL_F_AVX512), "AVX-512 with a part missing stops");
	page_cleanup(&t);
	ktap_exit();
}
