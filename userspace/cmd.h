/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the tool's commands
 *
 * Each takes its own argument vector, with its name first, and returns the exit
 * status.
 */
#ifndef UMBRA_TOOL_CMD_H
#define UMBRA_TOOL_CMD_H

int cmd_run(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_block(int argc, char **argv);

#endif
