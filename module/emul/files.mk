# SPDX-License-Identifier: GPL-2.0
emul-y := alu.o atomic.o bcd.o bit.o control.o decode.o decode_ext.o decode_sse.o decode_tables.o elements.o emulate.o event64.o fastcall.o flow.o interrupt.o io.o lanes.o mov.o muldiv.o operand.o segload.o shape.o shift.o simd.o simd_stub.o sse.o stack.o string.o system.o text.o transfer.o watch.o vex.o vex_stub.o x87.o x87_arith.o x87_env.o xsave.o x87_stub.o 
