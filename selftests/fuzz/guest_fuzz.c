// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: guest_fuzz
 *
 * Random guests on one KVM device, compared with the same on another; see guest_fuzz.h.
 *
 *   guest_fuzz -w FILE [-s SEED] [-n GUESTS] [-t SECONDS] [-xpmv] DEVICE [OTHER]
 *   guest_fuzz -r FILE [-fv] DEVICE
 *
 * -w writes down what comes of the guests SEED, SEED + 1, ... on a device, until there were
 * GUESTS of them or the time is over.  Their processor has what OTHER has, too.  -x leaves out what
 * the errata of the software engine name, -p what nested paging does otherwise (kvm_amd npt=1), -m notes all memory after each step (much), -v says what
 * each step is before it runs.
 *
 * -r runs the guests of a file on another device and compares; -f goes on after a difference.
 */
#include "guest_fuzz.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define STEPS		48	/* of a guest */
/*
 * For a step on the first device, before it is called endless; and on the second, if it had an end
 * on the first, so long that only a step without one takes it.
 */
#define PATIENCE_MS	1500
#define LONG_PATIENCE_MS 60000

/* The head of a file. */
struct head {
	char magic[8];
	struct limits limits;
	bool memory;		/* IMAGE_SIZE bytes follow each record of a step that ran */
	struct cpu_model model;
};

static const char magic[8] = "guestfz7";

/* A step's outcome in a file. */
struct record {
	uint64_t guest;
	uint32_t step;
	bool set;		/* the state was accepted */
	struct outcome o;
};

static struct {
	uint64_t guests, steps, ended, differences, endless, left_out;
} total;

static pthread_t runner;
static struct machine machine;
static FILE *file;
static bool replay, trace;
static struct head head;
static struct record mine, theirs;
static uint8_t their_memory[IMAGE_SIZE];
static volatile unsigned long patience = PATIENCE_MS;

static void on_signal(int sig)
{
	(void)sig;
	if (machine.run)
		machine.run->immediate_exit = 1;
}

/* Stops a machine whose step has not ended in time. */
static void *watch(void *unused)
{
	unsigned long last = 0, waited = 0;

	(void)unused;
	for (;;) {
		usleep(50000);
		waited = guest_running && guest_pulse == last ? waited + 50 : 0;
		last = guest_pulse;
		if (waited < patience)
			continue;
		guest_stopped = true;
		pthread_kill(runner, SIGUSR1);
	}
	return NULL;
}

static void start_watch(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	runner = pthread_self();
	pthread_create(&thread, NULL, watch, NULL);
}

static void write_all(const void *data, size_t size)
{
	if (fwrite(data, size, 1, file) != 1)
		ktap_bail("the file cannot be written");
}

static bool read_all(void *data, size_t size)
{
	return fread(data, size, 1, file) == 1;
}

static void save_step(void)
{
	write_all(&mine, sizeof(mine));
	if (head.memory && mine.set)
		write_all(machine.mem, IMAGE_SIZE);
}

/* The next record of the file; false: there is none. */
static bool load_step(void)
{
	if (!read_all(&theirs, sizeof(theirs)))
		return false;
	if (head.memory && theirs.set && !read_all(their_memory, IMAGE_SIZE))
		ktap_bail("the file is cut");
	return true;
}

static void tell(const char *what, const struct step *s)
{
	printf("# guest %llu, step %u: %s\n", (unsigned long long)mine.guest, mine.step, what);
	show(s, machine.device, &mine.o, "recorded", &theirs.o);
	if (head.memory) {
		show_stack(machine.device, &mine.o, machine.mem);
		show_stack("recorded", &theirs.o, their_memory);
		show_walk(machine.device, &mine.o, machine.mem);
		show_walk("recorded", &theirs.o, their_memory);
		show_memory(machine.mem, their_memory);
	}
	total.differences++;
}

/* False: the guest ends here, for good or bad. */
static bool judge(const struct step *s)
{
	const char *what = NULL;
	bool ends = false;

	if (mine.set != theirs.set) {
		what = "one of them refuses the state";
		ends = true;
	} else if (mine.set) {
		what = compare(&mine.o, &theirs.o, &ends);
		total.left_out += compare_has_ended(&mine.o, KVM_EXIT_INTERNAL_ERROR);
	}
	if (what)
		tell(what, s);
	return !ends;
}

/* A step depends on the guest's seed, its number and the memory that the last one left. */
static bool do_step(uint64_t seed)
{
	struct rng r = { .state = seed | 1 };
	struct step s;

	state_make(&r, &s, machine.mem, &head.limits);
	if (trace) {
		printf("# guest %llu, step %u\n", (unsigned long long)mine.guest, mine.step);
		show_step(&s);
	}
	memset(&mine.o, 0, sizeof(mine.o));
	mine.set = machine_set(&machine, &s);
	patience = !replay || theirs.o.endless ? PATIENCE_MS : LONG_PATIENCE_MS;
	if (mine.set)
		machine_run(&machine, &mine.o, &head.limits);
	mine.o.event = s.nmi || s.interrupt >= 0;
	total.steps++;
	total.endless += mine.o.endless;
	if (replay)
		return judge(&s);
	save_step();
	return !mine.set || (!mine.o.endless && !mine.o.cut &&
			     compare_has_ended(&mine.o, KVM_EXIT_HLT));
}

/* In a replay theirs is the guest's first step, and in the end the first of the next one. */
static bool do_guest(uint64_t seed)
{
	static uint8_t image[IMAGE_SIZE];
	struct rng r = { .state = seed * 0x9e3779b97f4a7c15ull + 1 };
	bool more = true, alive = true;

	image_make(&r, image);
	machine_new(&machine, &head.model, image);
	mine.guest = seed;
	for (mine.step = 0; mine.step < STEPS && alive; mine.step++) {
		uint64_t step = rng_next(&r);

		alive = do_step(step);
		if (!replay)
			continue;
		/* What one device had to end, the other need not go on with. */
		more = load_step();
		alive = alive && more && theirs.guest == seed;
	}
	total.ended += mine.step < STEPS;
	machine_end(&machine);
	total.guests++;
	while (replay && more && theirs.guest == seed)
		more = load_step();
	return more;
}

static void record(uint64_t seed, uint64_t guests, uint64_t seconds, const char *other)
{
	time_t end = time(NULL) + seconds;
	struct machine reference;

	memcpy(head.magic, magic, sizeof(magic));
	if (other)
		machine_open(&reference, other);
	machine_cpuid(&machine, other ? &reference : NULL, &head.model);
	write_all(&head, sizeof(head));
	do {
		do_guest(seed + total.guests);
	} while (total.guests < guests && (!seconds || time(NULL) < end));
	if (fclose(file))
		ktap_bail("the file cannot be written");
}

static void compare_all(bool go_on)
{
	bool more;

	if (!read_all(&head, sizeof(head)) || memcmp(head.magic, magic, sizeof(magic)) ||
	    !load_step())
		ktap_bail("this is no record");
	replay = true;
	do {
		more = do_guest(theirs.guest);
	} while (more && (go_on || !total.differences));
}

static void usage(void)
{
	fputs("usage: guest_fuzz -w FILE [-s SEED] [-n GUESTS] [-t SECONDS] [-xpmv] DEVICE [OTHER]\n",
	      stderr);
	fputs("       guest_fuzz -r FILE [-fv] DEVICE\n", stderr);
	exit(2);
}

static void open_file(const char *name, const char *how)
{
	file = fopen(name, how);
	if (!file)
		ktap_bail("%s cannot be opened", name);
}

int main(int argc, char **argv)
{
	uint64_t guests = ~0ull, seed = 1, seconds = 0;
	bool go_on = false, reads = false;
	const char *name = NULL;
	int opt;

	head.limits = (struct limits){ .user_answers = true, .x87 = true, .accessed = true,
					 .write_faults = true, .osfxsr = true };
	while ((opt = getopt(argc, argv, "s:n:t:fxpmvw:r:")) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'n')
			guests = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			seconds = strtoull(optarg, NULL, 0);
		else if (opt == 'f')
			go_on = true;
		else if (opt == 'x')
			head.limits = (struct limits){ .nested = head.limits.nested };
		else if (opt == 'p')
			head.limits.nested = true;
		else if (opt == 'm')
			head.memory = true;
		else if (opt == 'v')
			trace = true;
		else if (opt == 'w' || opt == 'r')
			name = optarg, reads = opt == 'r';
		else
			usage();
	}
	if (!name || argc - optind < 1 || argc - optind > 2 - reads)
		usage();
	ktap_plan(1);
	open_file(name, reads ? "r" : "w");
	machine_open(&machine, argv[optind]);
	start_watch();
	if (reads)
		compare_all(go_on);
	else
		record(seed, guests, seconds, argc - optind > 1 ? argv[optind + 1] : NULL);
	ktap_note("%llu guests, %llu steps, %llu guests ended early, %llu endless steps, %llu left out",
		  (unsigned long long)total.guests, (unsigned long long)total.steps,
		  (unsigned long long)total.ended, (unsigned long long)total.endless,
		  (unsigned long long)total.left_out);
	ktap_ok(!total.differences && total.steps, "%s %s", machine.device,
		reads ? "and the record" : "recorded");
	ktap_exit();
}
