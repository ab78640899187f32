/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the console: this terminal, as the guest's serial line
 */
#ifndef UMBRA_TOOL_CONSOLE_H
#define UMBRA_TOOL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_ESCAPE 0x01	/* Ctrl-A */

/* What the user asked for by escape keys. */
enum console_action {
	CONSOLE_NONE,
	CONSOLE_QUIT,
	CONSOLE_BREAK,
	CONSOLE_BUTTON,
	CONSOLE_HELP,
};

/**
 * struct console - input state
 * @is_terminal: standard input is a terminal and in raw mode
 * @escaped: the escape key was the last one
 * @at_end: standard input has ended
 */
struct console {
	bool is_terminal;
	bool escaped;
	bool at_end;
};

void console_open(struct console *console);
void console_close(void);
size_t console_read(struct console *console, uint8_t *bytes, size_t size,
		    enum console_action *action);
void console_abandon(void);
void console_end_line(void);
void console_write(const uint8_t *bytes, size_t count);
const char *console_help(void);

#endif
