// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a difference, for the reader
 *
 * A step as it began and as it ended on two machines; a star marks what is not the same.
 */
#include "guest_fuzz.h"

#include <stdio.h>
#include <string.h>

static const char *const reg_names[] = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9", "r10", "r11", "r12",
	"r13", "r14", "r15", "rip", "rflags",
};

#define REGS	(sizeof(reg_names) / sizeof(reg_names[0]))

/* How it began. */
void show_step(const struct step *s)
{
	const struct kvm_sregs *sr = &s->sregs;
	const uint64_t *reg = (const void *)&s->regs;
	unsigned int i;

	printf("#   mode %s%s paging %u root %u irq %d nmi %d, code at %llx:", state_mode_name(s),
	       s->user ? " user" : "", s->paging, s->root, s->interrupt, s->nmi,
	       (unsigned long long)s->code_gpa);
	for (i = 0; i < CODE_MAX && (s->code[i] != 0xf4 || memcmp(s->code + i, s->code + i + 1,
								  CODE_MAX - i - 1)); i++)
		printf(" %02x", s->code[i]);
	printf("\n#  ");
	for (i = 0; i < REGS; i++)
		printf(" %s %llx%s", reg_names[i], (unsigned long long)reg[i],
		       i == 7 ? "\n#  " : "");
	printf("\n#   cr0 %llx cr3 %llx cr4 %llx efer %llx bases: cs %llx ds %llx es %llx fs %llx gs %llx\n",
	       sr->cr0, sr->cr3, sr->cr4, sr->efer, sr->cs.base, sr->ds.base, sr->es.base, sr->fs.base,
	       sr->gs.base);
}

static void show_segment(const char *name, const struct kvm_segment *a, const struct kvm_segment *b)
{
	const struct kvm_segment *s[2] = { a, b };
	unsigned int i;

	if (compare_segment(*a, *b, false, true))
		return;
	printf("#   %s", name);
	for (i = 0; i < 2; i++)
		printf("  %04x base %llx limit %x type %x s%u dpl%u p%u l%u db%u u%u", s[i]->selector,
		       s[i]->base, s[i]->limit, s[i]->type, s[i]->s, s[i]->dpl, s[i]->present,
		       s[i]->l, s[i]->db, s[i]->unusable);
	printf("\n");
}

static void show_exits(const char *name, const struct outcome *o)
{
	static const uint8_t none[sizeof(o->culprit)];
	unsigned int i;

	printf("#   %s: rip %llx, exits%s%s", name, o->regs.rip, o->endless ? " endless" : "",
	       o->cut ? " cut" : "");
	for (i = 0; i < o->exits; i++)
		printf(" %u(%s%u at %llx: %llx)", o->exit[i].reason, o->exit[i].write ? "w" : "r",
		       o->exit[i].len, (unsigned long long)o->exit[i].where,
		       (unsigned long long)o->exit[i].data);
	printf("\n");
	if (!memcmp(o->culprit, none, sizeof(none)))
		return;
	printf("#   %s: at the exception", name);
	for (i = 0; i < sizeof(o->culprit); i++)
		printf(" %02x", o->culprit[i]);
	printf("\n");
}

void show_memory(const uint8_t *a, const uint8_t *b)
{
	unsigned int i, shown = 0;

	for (i = 0; i < IMAGE_SIZE && shown < 12; i += 8) {
		uint64_t x, y;

		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x == y)
			continue;
		printf("#   memory %05x: %016llx %016llx\n", i, (unsigned long long)x,
		       (unsigned long long)y);
		shown++;
	}
}

/* The top of the stack at the end of a step, and the code that has run, if they are mapped to themselves. */
void show_stack(const char *name, const struct outcome *o, const uint8_t *mem)
{
	uint64_t at = o->sregs.ss.base + o->regs.rsp, word;
	unsigned int i;

	printf("#   %s: stack", name);
	for (i = 0; i < 6 && at + 8 * i + 8 < IMAGE_SIZE; i++) {
		memcpy(&word, mem + at + 8 * i, 8);
		printf(" %016llx", (unsigned long long)word);
	}
	at = o->sregs.cs.base + o->regs.rip - 16;
	printf("\n#   %s: code before rip", name);
	for (i = 0; i < 16 && at < IMAGE_SIZE - 16; i++)
		printf(" %02x", mem[at + i]);
	printf("\n");
}

/* The entries that lead to CR2, from the top. */
void show_walk(const char *name, const struct outcome *o, const uint8_t *mem)
{
	bool wide = o->sregs.cr4 & 0x20, long_mode = o->sregs.efer & 0x400;
	unsigned int bits = wide ? 9 : 10, level = long_mode ? 4 : wide ? 3 : 2;
	uint64_t entry = o->sregs.cr3, at;

	if (!(o->sregs.cr0 & 1u << 31))
		return;
	printf("#   %s: entries", name);
	for (; level; level--) {
		at = (entry & 0xffffffffff000) + (wide ? 8 : 4) *
		     (o->sregs.cr2 >> (12 + bits * (level - 1)) & ((1u << bits) - 1));
		if (level == 3 && !long_mode)
			at = (entry & 0xffffffe0) + 8 * (o->sregs.cr2 >> 30 & 3);
		if (at > IMAGE_SIZE - 8)
			break;
		entry = 0;
		memcpy(&entry, mem + at, wide ? 8 : 4);
		printf(" %llx", (unsigned long long)entry);
		if (!(entry & 1) || (level == 2 && entry & 0x80))
			break;
	}
	printf("\n");
}

static void show_number(const char *name, uint64_t before, uint64_t a, uint64_t b)
{
	if (a != b)
		printf("#   %-7s %016llx -> %016llx %016llx\n", name, (unsigned long long)before,
		       (unsigned long long)a, (unsigned long long)b);
}

static void show_sregs(const struct kvm_sregs *s, const struct kvm_sregs *a,
		       const struct kvm_sregs *b)
{
	show_number("cr0", s->cr0, a->cr0, b->cr0);
	show_number("cr2", s->cr2, a->cr2, b->cr2);
	show_number("cr3", s->cr3, a->cr3, b->cr3);
	show_number("cr4", s->cr4, a->cr4, b->cr4);
	show_number("cr8", s->cr8, a->cr8, b->cr8);
	show_number("efer", s->efer, a->efer, b->efer);
	show_number("gdtr", s->gdt.base, a->gdt.base, b->gdt.base);
	show_number("idtr", s->idt.base, a->idt.base, b->idt.base);
	show_segment("cs", &a->cs, &b->cs);
	show_segment("ss", &a->ss, &b->ss);
	show_segment("ds", &a->ds, &b->ds);
	show_segment("es", &a->es, &b->es);
	show_segment("fs", &a->fs, &b->fs);
	show_segment("gs", &a->gs, &b->gs);
	show_segment("tr", &a->tr, &b->tr);
	show_segment("ldt", &a->ldt, &b->ldt);
}

void show(const struct step *s, const char *name_a, const struct outcome *a,
	  const char *name_b, const struct outcome *b)
{
	const uint64_t *r0 = (const void *)&s->regs;
	const uint64_t *ra = (const void *)&a->regs, *rb = (const void *)&b->regs;
	unsigned int i;

	show_step(s);
	show_exits(name_a, a);
	show_exits(name_b, b);
	for (i = 0; i < REGS; i++)
		show_number(reg_names[i], r0[i], ra[i], rb[i]);
	show_sregs(&s->sregs, &a->sregs, &b->sregs);
	show_number("dr6", s->debug.dr6, a->debug.dr6, b->debug.dr6);
	show_number("dr7", s->debug.dr7, a->debug.dr7, b->debug.dr7);
	show_number("mxcsr", s->fpu.mxcsr, a->fpu.mxcsr, b->fpu.mxcsr);
	show_number("shadow", 0, a->events.interrupt.shadow, b->events.interrupt.shadow);
	show_number("nmi", s->nmi, a->events.nmi.masked, b->events.nmi.masked);
	show_number("waiting", s->interrupt, a->events.interrupt.injected | a->events.nmi.injected << 1 |
		    a->events.nmi.pending << 8, b->events.interrupt.injected |
		    b->events.nmi.injected << 1 | b->events.nmi.pending << 8);
	for (i = 0; i < machine_msr_count; i++)
		if (a->msr[i] != b->msr[i])
			printf("#   msr %x: %llx %llx\n", machine_msrs[i],
			       (unsigned long long)a->msr[i], (unsigned long long)b->msr[i]);
	for (i = 0; i < 16; i++)
		if (memcmp(a->fpu.xmm[i], b->fpu.xmm[i], 16))
			printf("#   xmm%u differs\n", i);
	for (i = 0; i < IMAGE_SIZE / 4096; i++)
		if (a->page[i] != b->page[i])
			printf("#   page %x differs\n", i);
}
