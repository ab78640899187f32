// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: terminal in raw mode, and the escape key
 *
 * The terminal's settings are the only thing of the tool that outlives it, so
 * they are restored on every way out: by console_close(), at exit, and by a
 * handler for the signals of a crash.  That is why they are this file's only
 * static state.
 */
#include "console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static volatile sig_atomic_t changed;
static volatile sig_atomic_t abandoned;
static volatile sig_atomic_t mid_line;

/* The keys after the escape key; an unknown one shows the help. */
static const struct {
	char key;
	enum console_action action;
} keys[] = {
	{ 'x', CONSOLE_QUIT },
	{ 'b', CONSOLE_BREAK },
	{ 'p', CONSOLE_BUTTON },
};

/**
 * console_help() - the escape keys
 *
 * Return: text for people, several lines.
 */
const char *console_help(void)
{
	return "  Ctrl-A x       end the VM\n"
	       "  Ctrl-A b       send a break (Linux: SysRq)\n"
	       "  Ctrl-A p       press the power button\n"
	       "  Ctrl-A Ctrl-A  send Ctrl-A\n"
	       "  Ctrl-A h       this list\n";
}

/**
 * console_close() - give the terminal back as it was
 *
 * Context: any, signal handlers too; more than once.
 */
void console_close(void)
{
	if (!changed)
		return;
	changed = 0;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
}

static void close_and_die(int signal)
{
	console_close();
	/* SA_RESETHAND: this time it kills. */
	raise(signal);
}

static void catch_crashes(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT };
	struct sigaction action = {
		.sa_handler = close_and_die,
		.sa_flags = SA_RESETHAND | SA_NODEFER,
	};
	unsigned int i;

	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
}

/**
 * console_open() - take the terminal, if there is one and it is ours
 * @console: filled in
 *
 * A process in the background leaves the terminal alone, it would be stopped.
 */
void console_open(struct console *console)
{
	struct termios raw;

	memset(console, 0, sizeof(*console));
	if (tcgetattr(STDIN_FILENO, &saved) || tcgetpgrp(STDIN_FILENO) != getpgrp())
		return;
	console->is_terminal = true;
	atexit(console_close);
	catch_crashes();
	raw = saved;
	cfmakeraw(&raw);
	changed = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static enum console_action action_of(uint8_t key)
{
	unsigned int i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].key == (char)key)
			return keys[i].action;
	return CONSOLE_HELP;
}

/* Take escapes out of the bytes; returns how many are left for the guest. */
static size_t filter(struct console *console, uint8_t *bytes, size_t count,
		     enum console_action *action)
{
	size_t in, out = 0;

	for (in = 0; in < count; in++) {
		if (console->escaped && bytes[in] != CONSOLE_ESCAPE) {
			console->escaped = false;
			*action = action_of(bytes[in]);
			continue;
		}
		if (!console->escaped && bytes[in] == CONSOLE_ESCAPE) {
			console->escaped = true;
			continue;
		}
		console->escaped = false;
		bytes[out++] = bytes[in];
	}
	return out;
}

/**
 * console_read() - read what standard input has now
 * @console: the console; @at_end is set at the end of input
 * @bytes: filled with bytes for the guest
 * @size: at most this many
 * @action: set to what an escape key asks for
 *
 * Input that is not a terminal goes to the guest as it is, Ctrl-A too.
 *
 * Return: bytes for the guest.
 */
size_t console_read(struct console *console, uint8_t *bytes, size_t size,
		    enum console_action *action)
{
	ssize_t got = read(STDIN_FILENO, bytes, size);

	*action = CONSOLE_NONE;
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (got <= 0) {
		console->at_end = true;
		return 0;
	}
	if (!console->is_terminal)
		return got;
	return filter(console, bytes, got, action);
}

/**
 * console_end_line() - start a new line on a terminal, if the guest left one open
 */
void console_end_line(void)
{
	if (mid_line && isatty(STDOUT_FILENO) && write(STDOUT_FILENO, "\n", 1) == 1)
		mid_line = 0;
}

/**
 * console_abandon() - give up writing
 *
 * The VM has stopped: a thread that waits for a reader of standard output must
 * not hold it up.  Its wait ends at the next signal.
 */
void console_abandon(void)
{
	abandoned = 1;
}

/**
 * console_write() - show what the guest sent
 * @bytes: @count of them
 * @count: bytes
 *
 * When nobody reads standard output any more, output is lost and the guest
 * goes on.
 *
 * Context: any thread.
 */
void console_write(const uint8_t *bytes, size_t count)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	if (count)
		mid_line = bytes[count - 1] != '\n';
	while (count) {
		ssize_t done = write(STDOUT_FILENO, bytes, count);

		if (done < 0 && abandoned)
			return;
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			poll(&out, 1, 100);
			continue;
		}
		if (done < 0)
			return;
		bytes += done;
		count -= done;
	}
}
