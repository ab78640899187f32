/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: emulator contract
 *
 * Fetch once into a buffer, decode from the buffer, execute on a copy of the
 * registers, commit.  The emulator knows segmentation, privilege, flags and
 * faults; it knows no vCPU, no paging and no kernel API.  Everything outside
 * struct umbra_regs goes through struct umbra_emul_ops, in linear addresses.
 *
 * An access that needs userspace (MMIO, port I/O) makes its callback return
 * UMBRA_EMUL_IO; the emulator then commits nothing and returns the same.  The
 * owner completes the access and calls umbra_emulate() again for the same
 * instruction, answering the accesses already completed from its log.  A
 * repeated string instruction commits after each element (or batch), so that
 * at most one element is ever replayed.  Where the access was all that the
 * instruction waited for, umbra_emul_resume() goes on with it instead.
 */
#ifndef UMBRA_EMUL_H
#define UMBRA_EMUL_H

#include "umbra/regs.h"

#define UMBRA_INSN_MAX	15

/**
 * enum umbra_emul_result - outcome of a callback and of umbra_emulate()
 * @UMBRA_EMUL_OK: done; for umbra_emulate(): committed, RIP advanced
 * @UMBRA_EMUL_FAULT: the guest gets the exception in umbra_emul.fault; nothing
 *	else was committed, except by traps: INT3, INTO and INT1 (umbra_fault.soft)
 *	and the single-step #DB come after their instruction's commit
 * @UMBRA_EMUL_IO: needs userspace, see the DOC block; nothing was committed
 * @UMBRA_EMUL_AGAIN: a REP instruction made progress and committed it, RIP
 *	still points at it; or a locked access lost too many races and nothing
 *	was done.  The owner drops its log of completed accesses and whatever
 *	access was begun but not completed, and calls again
 * @UMBRA_EMUL_UNHANDLED: not implemented; umbra_emul.insn has its bytes and
 *	umbra_emul.reason says what
 * @UMBRA_EMUL_ERROR: a callback failed for good (host error, e.g. -EFAULT in
 *	umbra_emul.error)
 * @UMBRA_EMUL_HALT: HLT executed and committed; the vCPU waits
 * @UMBRA_EMUL_SHUTDOWN: triple fault (set by callbacks that deliver events)
 */
enum umbra_emul_result {
	UMBRA_EMUL_OK,
	UMBRA_EMUL_FAULT,
	UMBRA_EMUL_IO,
	UMBRA_EMUL_AGAIN,
	UMBRA_EMUL_UNHANDLED,
	UMBRA_EMUL_ERROR,
	UMBRA_EMUL_HALT,
	UMBRA_EMUL_SHUTDOWN,
};

/**
 * struct umbra_fault - an exception to be delivered to the guest
 * @vector: 0..31
 * @has_error: @error_code is pushed
 * @soft: raised by INT3, INTO or INT1: RIP is that of the next instruction
 * @error_code: error code
 * @addr: CR2 for #PF; the bits to set in DR6 for #DB
 */
struct umbra_fault {
	u8 vector;
	bool has_error;
	bool soft;
	u32 error_code;
	u64 addr;
};

/* Kinds of a memory access, for the read and write callbacks. */
#define UMBRA_ACC_WRITE		BIT(0)
#define UMBRA_ACC_FETCH		BIT(1)
#define UMBRA_ACC_USER		BIT(2)	/* checked as a user-mode access */
#define UMBRA_ACC_IMPLICIT	BIT(3)	/* supervisor access made by the CPU: GDT, IDT, TSS */
#define UMBRA_ACC_AC		BIT(4)	/* RFLAGS.AC was set: SMAP does not apply */
#define UMBRA_ACC_RMW		BIT(5)	/* a read whose write follows: check for write, too */
#define UMBRA_ACC_PROBE		BIT(6)	/* checked only: no dirty bit yet */

struct umbra_emul;

/**
 * struct umbra_xcomponent - a state component of XSAVE (CPUID leaf 0xD)
 * @offset: in the standard format, bytes
 * @size: bytes; 0: the processor does not have it
 * @aligned: to 64 bytes in the compacted format
 */
struct umbra_xcomponent {
	u32 offset;
	u32 size;
	bool aligned;
};

/**
 * struct umbra_xstate - the guest's state in the standard XSAVE format
 * @image: holds every component of @features, also in its initial state; what
 *	is written there lasts, whatever happens to the instruction.  The header is
 *	the owner's
 * @features: XCR0 bits that are in the image
 * @mxcsr_mask: the bits that MXCSR may have
 * @component: 64 of them; the first two are not used
 */
struct umbra_xstate {
	u8 *image;
	u64 features;
	u32 mxcsr_mask;
	const struct umbra_xcomponent *component;
};

/**
 * struct umbra_emul_ops - what the emulator asks of its owner
 * @fetch: read up to @len code bytes at linear @gva; returns the number in
 *	@got (a page end or segment end may cut it short, at least 1)
 * @read: read @len (1..64) bytes at linear @gva; may cross a page.  With
 *	UMBRA_ACC_RMW the page must also be writable
 * @write: write @len bytes; all pages are checked before the first byte goes
 * @probe: would a write of @len bytes fault?  Nothing is read or written
 * @cmpxchg: if the @len (1,2,4,8,16) bytes equal @old, replace them by @new_val;
 *	*@swapped says which.  Atomic where the memory is ordinary
 * @is_memory: may @len bytes within one page be accessed in any units and any
 *	number of times?  False when in doubt, or when they would fault.  NULL: never
 * @pio: port access of @size 1, 2, 4; @in: read into @val, else write.  @rep: an element of a REP INS or
 *	OUTS that is not single-stepped: the same access may follow at once
 * @read_cr: CR0,2,3,4,8 as the guest reads them
 * @write_cr: MOV to CR, CLTS, LMSW: validates, applies; #GP by FAULT
 * @read_dr: DR0..7
 * @write_dr: DR0..7
 * @read_msr: RDMSR
 * @write_msr: WRMSR
 * @write_xcr: XSETBV
 * @cpuid: CPUID: in/out EAX..EDX
 * @rdtsc: TSC; *@aux gets TSC_AUX
 * @rdpmc: RDPMC
 * @invlpg: INVLPG of linear @gva
 * @invpcid: INVPCID with the already read and validated operands
 * @cache: INVD, WBINVD, CLFLUSH…: a chance to note it
 * @hypercall: VMCALL/VMMCALL
 * @xmm: copy vector register @reg (0..31), @len bytes from offset 0; @write: into
 *	the register.  @len is 1..16 for SSE; a VEX or EVEX write has 64 bytes, zero
 *	above the vector: the owner ignores what the register does not have
 * @fx: FXSAVE (@write false) or FXRSTOR of the 512-byte legacy area; also x87 by NULL checks
 * @xstate: fills @x; the image is the guest's until the next callback
 * @fpu: the emulator is about to use the processor's vector registers for a few
 *	instructions (@begin) or is done with them; their contents may be anything.
 *	NULL: vector arithmetic is UNHANDLED
 * @monitor: MONITOR/MWAIT, PAUSE: hint
 * @random: RDRAND, or RDSEED with @seed
 *
 * Each returns an enum umbra_emul_result.  A callback that faults fills
 * umbra_emul.fault.  NULL: the instructions that need it are UNHANDLED.
 * Context: whatever context umbra_emulate() was called in.
 */
struct umbra_emul_ops {
	int (*fetch)(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
		     unsigned int *got);
	int (*read)(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
		    unsigned int acc);
	int (*write)(struct umbra_emul *e, gva_t gva, const void *buf,
		     unsigned int len, unsigned int acc);
	int (*probe)(struct umbra_emul *e, gva_t gva, unsigned int len, unsigned int acc);
	int (*cmpxchg)(struct umbra_emul *e, gva_t gva, const void *old,
		       const void *new_val, unsigned int len, unsigned int acc,
		       bool *swapped);
	bool (*is_memory)(struct umbra_emul *e, gva_t gva, unsigned int len,
			  unsigned int acc);
	int (*pio)(struct umbra_emul *e, u16 port, unsigned int size, bool in, bool rep,
		   u32 *val);
	int (*read_cr)(struct umbra_emul *e, unsigned int cr, u64 *val);
	int (*write_cr)(struct umbra_emul *e, unsigned int cr, u64 val);
	int (*read_dr)(struct umbra_emul *e, unsigned int dr, u64 *val);
	int (*write_dr)(struct umbra_emul *e, unsigned int dr, u64 val);
	int (*read_msr)(struct umbra_emul *e, u32 index, u64 *val);
	int (*write_msr)(struct umbra_emul *e, u32 index, u64 val);
	int (*write_xcr)(struct umbra_emul *e, u32 index, u64 val);
	int (*cpuid)(struct umbra_emul *e, u32 reg[4]);
	int (*rdtsc)(struct umbra_emul *e, u64 *tsc, u32 *aux);
	int (*rdpmc)(struct umbra_emul *e, u32 index, u64 *val);
	int (*invlpg)(struct umbra_emul *e, gva_t gva);
	int (*invpcid)(struct umbra_emul *e, u64 type, u64 pcid, gva_t gva);
	int (*cache)(struct umbra_emul *e);
	int (*hypercall)(struct umbra_emul *e);
	int (*xmm)(struct umbra_emul *e, unsigned int reg, void *buf,
		   unsigned int len, bool write);
	int (*fx)(struct umbra_emul *e, void *area, bool write);
	int (*xstate)(struct umbra_emul *e, struct umbra_xstate *x);
	void (*fpu)(struct umbra_emul *e, bool begin);
	int (*monitor)(struct umbra_emul *e);
	int (*random)(struct umbra_emul *e, bool seed, u64 *val);
};

/**
 * struct umbra_emul - one emulation
 * @ops: set by the owner
 * @owner: the owner's
 * @regs: the owner's registers; read at the start, written at commit.  All
 *	groups must be available
 * @features: UMBRA_EMUL_F_*: what CPUID offers the guest (else #UD)
 * @r: working copy while an instruction executes; callbacks that change
 *	control registers, EFER and so on change this copy as well as @regs
 * @cache: umbra_emul_cache_size() bytes of zeros for decoded instructions, or NULL;
 *	the emulator's own from then on
 * @cache_entries: what its size was asked for
 * @keep: @regs are as the last call left them: no need to copy them all again
 * @in_step: the emulator's own: @r is what was committed
 * @fault: the exception, after UMBRA_EMUL_FAULT
 * @insn: the instruction's bytes
 * @insn_len: how many of @insn were decoded (bytes)
 * @reason: static string after UMBRA_EMUL_UNHANDLED
 * @error: negative errno after UMBRA_EMUL_ERROR
 * @iret: an IRET was tried: NMIs are no longer blocked
 * @halt: it was a HLT, also where a #DB comes behind it (UMBRA_EMUL_FAULT)
 * @watched: the emulator's own: data breakpoints that the instruction met
 * @waiting: the emulator's own: the instruction whose operand waits for the owner, or NULL
 * @waits_for: the emulator's own: which operand
 */
struct umbra_emul {
	const struct umbra_emul_ops *ops;
	void *owner;
	struct umbra_regs *regs;
	u64 features;
	struct umbra_regs r;
	void *cache;
	unsigned int cache_entries;
	bool keep;
	bool in_step;
	struct umbra_fault fault;
	u8 insn[UMBRA_INSN_MAX + 1];
	u8 insn_len;
	const char *reason;
	int error;
	bool iret;
	bool halt;
	u8 watched;
	void *waiting;
	u8 waits_for;
};

/* What the guest's CPUID offers, where it changes what an encoding means. */
#define UMBRA_EMUL_F_LM		BIT_ULL(0)
#define UMBRA_EMUL_F_SYSCALL	BIT_ULL(1)
#define UMBRA_EMUL_F_BMI1	BIT_ULL(2)
#define UMBRA_EMUL_F_BMI2	BIT_ULL(3)
#define UMBRA_EMUL_F_MOVBE	BIT_ULL(4)
#define UMBRA_EMUL_F_FSGSBASE	BIT_ULL(5)
#define UMBRA_EMUL_F_RDTSCP	BIT_ULL(6)
#define UMBRA_EMUL_F_RDPID	BIT_ULL(7)
#define UMBRA_EMUL_F_INVPCID	BIT_ULL(8)
#define UMBRA_EMUL_F_CX16	BIT_ULL(9)
#define UMBRA_EMUL_F_ADX	BIT_ULL(10)
#define UMBRA_EMUL_F_SMAP	BIT_ULL(11)
#define UMBRA_EMUL_F_AVX	BIT_ULL(12)
#define UMBRA_EMUL_F_LZCNT	BIT_ULL(13)
#define UMBRA_EMUL_F_POPCNT	BIT_ULL(14)
#define UMBRA_EMUL_F_SERIALIZE	BIT_ULL(15)
#define UMBRA_EMUL_F_AMD	BIT_ULL(16)	/* vendor differences: SYSRET, SYSENTER in long mode, … */
#define UMBRA_EMUL_F_RDRAND	BIT_ULL(17)
#define UMBRA_EMUL_F_RDSEED	BIT_ULL(18)
#define UMBRA_EMUL_F_MOVDIR	BIT_ULL(19)	/* MOVDIRI, MOVDIR64B */
#define UMBRA_EMUL_F_XGETBV1	BIT_ULL(20)
#define UMBRA_EMUL_F_XSAVEOPT	BIT_ULL(21)
#define UMBRA_EMUL_F_XSAVEC	BIT_ULL(22)
#define UMBRA_EMUL_F_SSE4A	BIT_ULL(36)
/* These promise that the host has them as well. */
#define UMBRA_EMUL_F_SSE3	BIT_ULL(23)
#define UMBRA_EMUL_F_SSSE3	BIT_ULL(24)
#define UMBRA_EMUL_F_SSE41	BIT_ULL(25)
#define UMBRA_EMUL_F_SSE42	BIT_ULL(26)
#define UMBRA_EMUL_F_AVX2	BIT_ULL(27)
#define UMBRA_EMUL_F_FMA	BIT_ULL(28)
#define UMBRA_EMUL_F_F16C	BIT_ULL(29)
#define UMBRA_EMUL_F_AES	BIT_ULL(30)
#define UMBRA_EMUL_F_PCLMUL	BIT_ULL(31)
#define UMBRA_EMUL_F_SHA	BIT_ULL(32)
#define UMBRA_EMUL_F_GFNI	BIT_ULL(33)
#define UMBRA_EMUL_F_VAES	BIT_ULL(34)
#define UMBRA_EMUL_F_VPCLMUL	BIT_ULL(35)
#define UMBRA_EMUL_F_3DNOW	BIT_ULL(37)
#define UMBRA_EMUL_F_3DNOWEXT	BIT_ULL(38)
#define UMBRA_EMUL_F_AVX512	BIT_ULL(39)	/* F, BW, DQ and VL */
#define UMBRA_EMUL_F_ALL	(~0ull)

/* Bytes that umbra_emul.cache takes for @entries, a power of two. */
size_t umbra_emul_cache_size(unsigned int entries);

/**
 * umbra_emulate() - execute the instruction at CS:RIP
 * @e: @ops, @owner, @regs and @features set
 *
 * Does one instruction, or a bounded number of elements of a REP instruction
 * (256 of them, or 4096 bytes of memory).  It does not look for pending events
 * and does not deliver the exception that it reports; the owner does.  RFLAGS.TF and RF, and
 * int_shadow are updated as hardware would (SDM Vol. 3A 6.8.3, 18.3); the
 * breakpoints in @regs (DR0..3, DR7) are heeded.
 *
 * Return: enum umbra_emul_result.
 */
int umbra_emulate(struct umbra_emul *e);

/**
 * umbra_emul_can_resume() - is one access all that the instruction waits for?
 * @e: after UMBRA_EMUL_IO
 * @write: the access that the owner has completed was a write
 * @len: its length, bytes
 *
 * Return: true when umbra_emul_resume() can take the place of umbra_emulate(), provided that
 * nobody has changed @e or the registers.
 */
bool umbra_emul_can_resume(const struct umbra_emul *e, bool write, unsigned int len);

/**
 * umbra_emul_resume() - go on with the instruction that returned UMBRA_EMUL_IO
 * @e: umbra_emul_can_resume()
 * @val: what was read, zero-extended
 *
 * Return: as umbra_emulate(); on UMBRA_EMUL_IO the access that was completed counts
 * as the first one of the instruction.
 */
int umbra_emul_resume(struct umbra_emul *e, u64 val);

/**
 * umbra_emul_interrupt() - deliver an interrupt or exception through the IDT
 * @e: as for umbra_emulate()
 * @vector: 0..255
 * @soft: INT n, INT3, INTO: gate DPL is checked, EXT is clear
 * @has_error: push @error_code
 * @error_code: error code
 *
 * Real mode: IVT; protected and long mode: IDT gates, stack switch, IST.  For
 * engines (or modes) that cannot inject by hardware.  A fault on the way is
 * reported as UMBRA_EMUL_FAULT; merging to #DF is the owner's.  RIP and RFLAGS
 * are pushed as they are in @regs: for faults the owner sets RF first.
 *
 * Return: OK (committed), FAULT, IO, ERROR, UNHANDLED (task gate).
 */
int umbra_emul_interrupt(struct umbra_emul *e, u8 vector, bool soft,
			 bool has_error, u32 error_code);
int umbra_emul_event_plain(struct umbra_emul *e, u8 vector, u32 error_code);

/* Flag of @mode: near branches heed a 66 prefix in 64-bit mode, as AMD's do. */
#define UMBRA_EMUL_MODE_AMD	0x100

/**
 * umbra_emul_insn_len() - length of the instruction in @buf
 * @buf: code bytes
 * @len: how many there are (1..15)
 * @mode: 16, 32 or 64: default operand size of CS, or 64-bit mode; may carry
 *	UMBRA_EMUL_MODE_AMD
 *
 * Return: 1..15, or -EINVAL for an invalid encoding, -ENODATA when @buf ends
 * before the instruction does.
 */
int umbra_emul_insn_len(const u8 *buf, unsigned int len, unsigned int mode);

#endif
