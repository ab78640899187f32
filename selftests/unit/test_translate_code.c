// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: code to translate: compiled C
 *
 * Loops, recursion, jump tables, calls through pointers, string instructions,
 * SSE: what a compiler makes of them, at the optimization a kernel has.
 */
#include <stddef.h>
#include <stdint.h>

#include "test_translate_code.h"

typedef unsigned long long u64;

#define noinline __attribute__((__noinline__))

static u64 loop_sum(u64 n, u64 b, u64 c)
{
	u64 i, s = b;

	for (i = 0; i < n; i++) {
		if (i & 1)
			s += i * 3;
		else
			s ^= i << 2;
	}
	return s + c;
}

static noinline u64 fib(u64 n, u64 b, u64 c)
{
	return n < 2 ? n : fib(n - 1, b, c) + fib(n - 2, b, c);
}

static noinline u64 table_switch(u64 op, u64 a, u64 b)
{
	switch (op) {
	case 0:
		return a + b;
	case 1:
		return a - b;
	case 2:
		return a * b;
	case 3:
		return a ^ b;
	case 4:
		return a | b;
	case 5:
		return a & (b + 7);
	case 6:
		return a << (b & 31);
	case 7:
		return a >> (b & 31);
	case 8:
		return ~a;
	case 9:
		return b ? a / b : 5;
	}
	return a;
}

static u64 interpreter(u64 n, u64 b, u64 c)
{
	u64 i, acc = 12345;

	for (i = 0; i < n; i++)
		acc = table_switch((acc ^ i) % 11, acc, i + 3);
	return acc;
}

static noinline u64 op_add(u64 a, u64 b, u64 c)
{
	return a + b + c;
}

static noinline u64 op_mul(u64 a, u64 b, u64 c)
{
	return a * b + c;
}

static noinline u64 op_xor(u64 a, u64 b, u64 c)
{
	return (a ^ b) - c;
}

static code_fn *volatile ops[3] = { op_add, op_mul, op_xor };

static u64 pointers(u64 n, u64 b, u64 c)
{
	u64 i, acc = 1;

	for (i = 0; i < n; i++)
		acc = ops[i % 3](acc, i, 7);
	return acc;
}

static u64 hash_bytes(const unsigned char *p, size_t n)
{
	u64 h = 0xcbf29ce484222325ull;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

static u64 strings(u64 n, u64 b, u64 c)
{
	unsigned char from[256], to[256];
	unsigned char *d = to, *s = from;
	size_t len = 256;
	u64 i, h = 0;

	for (i = 0; i < n; i++) {
		for (len = 0; len < 256; len++)
			from[len] = len * i + 7;
		d = to;
		s = from;
		len = 256;
		asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(len) : : "memory");
		d = to;
		len = 16;
		asm volatile("rep stosb" : "+D"(d), "+c"(len) : "a"(i) : "memory");
		h ^= hash_bytes(to, sizeof(to));
	}
	return h;
}

static u64 floats(u64 n, u64 b, u64 c)
{
	double x = 1.0, y = 0.5;
	float v[16] = { 1, 2, 3, 4, 5 };
	u64 i, j;

	for (i = 0; i < n; i++) {
		x = x * 1.0000001 + y / (i + 1);
		for (j = 0; j < 16; j++)
			v[j] = v[j] * 0.5f + (float)x;
	}
	return (u64)(x * 1e6) + (u64)(v[3] * 1e3f);
}

static noinline void quick_sort(int *v, long lo, long hi)
{
	long i = lo, j = hi;
	int pivot = v[lo + (hi - lo) / 2], t;

	while (i <= j) {
		while (v[i] < pivot)
			i++;
		while (v[j] > pivot)
			j--;
		if (i <= j) {
			t = v[i];
			v[i++] = v[j];
			v[j--] = t;
		}
	}
	if (lo < j)
		quick_sort(v, lo, j);
	if (i < hi)
		quick_sort(v, i, hi);
}

static int numbers[2000];

static u64 sorting(u64 n, u64 b, u64 c)
{
	unsigned int x = 1;
	u64 i, h = 0;

	for (i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		numbers[i] = x >> 1;
	}
	quick_sort(numbers, 0, n - 1);
	for (i = 0; i < n; i++)
		h = h * 31 + numbers[i];
	return h;
}

/* A tree of small objects with methods: what kernel code looks like. */
struct node {
	struct node *left, *right;
	u64 key;
	u64 (*weigh)(const struct node *node);
};

static struct node nodes[512];

static noinline u64 weigh_even(const struct node *node)
{
	return node->key * 2;
}

static noinline u64 weigh_odd(const struct node *node)
{
	return node->key + 1;
}

static noinline struct node *insert(struct node *root, struct node *node)
{
	if (!root)
		return node;
	if (node->key < root->key)
		root->left = insert(root->left, node);
	else
		root->right = insert(root->right, node);
	return root;
}

static noinline u64 total(const struct node *root)
{
	if (!root)
		return 0;
	return total(root->left) + root->weigh(root) + total(root->right);
}

static u64 trees(u64 n, u64 b, u64 c)
{
	struct node *root = NULL;
	u64 x = 88172645463325252ull, i;

	for (i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		nodes[i] = (struct node){
			.key = x % 10000,
			.weigh = x & 1 ? weigh_odd : weigh_even,
		};
		root = insert(root, &nodes[i]);
	}
	return total(root);
}

const struct code codes[] = {
	{ "loop", loop_sum, 1000 },
	{ "recursion", fib, 12 },
	{ "jump table", interpreter, 500 },
	{ "calls through pointers", pointers, 500 },
	{ "string instructions", strings, 20 },
	{ "SSE", floats, 200 },
	{ "sorting", sorting, 500 },
	{ "tree with methods", trees, 300 },
	{ NULL }
};
