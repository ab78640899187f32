/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: boot sector
 *
 * Loads a Linux kernel and its initramfs from the disk that this is the first sector
 * of, by the BIOS: INT 13h reads into a buffer, INT 15h copies to above 1 MiB.  bochs.py
 * lays the disk out, fills in the table, and has set all fields of the setup header.
 */
	.code16
	.set	BUFFER, 0x10000
	.set	CHUNK, 32		/* sectors a time */
	.set	SETUP, 0x9000		/* segment of the kernel's real-mode part */

	.text
	.globl	_start
_start:
	ljmp	$0, $1f
1:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	sti
	cld
	mov	%dl, drive

	/* The table: sectors, first sector, address; zero ends it. */
	mov	$table, %bx
next:	mov	(%bx), %ecx
	jecxz	done
	mov	4(%bx), %eax
	mov	%eax, lba
	mov	8(%bx), %eax
	mov	%eax, to
	push	%bx
	call	load
	pop	%bx
	add	$12, %bx
	jmp	next

done:	cli
	mov	$SETUP, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %fs
	mov	%ax, %gs
	mov	%ax, %ss
	mov	$0x8f00, %sp
	ljmp	$(SETUP + 0x20), $0

/* ECX sectors from @lba to @to. */
load:	mov	%ecx, left
1:	mov	$0x42, %ah		/* extended read */
	mov	drive, %dl
	mov	$packet, %si
	int	$0x13
	jc	failed
	mov	to, %eax
	mov	%ax, dest + 2
	shr	$16, %eax
	mov	%al, dest + 4
	mov	%ah, dest + 7
	mov	$0x87, %ah		/* copy extended memory */
	mov	$(CHUNK * 512 / 2), %cx
	mov	$gdt, %si
	int	$0x15
	jc	failed
	addl	$CHUNK, lba
	addl	$(CHUNK * 512), to
	subl	$CHUNK, left
	ja	1b
	ret

failed:	mov	$0x0e46, %ax		/* F */
	int	$0x10
2:	hlt
	jmp	2b

drive:	.byte	0
	.balign	4
left:	.long	0
to:	.long	0
packet:	.byte	16, 0
	.word	CHUNK, 0, BUFFER >> 4
lba:	.long	0, 0

/* INT 15h AH=87h: null, this table, from, to, two for the BIOS. */
gdt:	.quad	0, 0
	.word	0xffff, BUFFER & 0xffff
	.byte	BUFFER >> 16, 0x93, 0, 0
dest:	.word	0xffff, 0
	.byte	0, 0x93, 0, 0
	.quad	0, 0

	.org	0x1c0
table:	.fill	12, 4, 0
	.org	510
	.word	0xaa55
