// SPDX-License-Identifier: MIT
/*
 * xenchan: one table of commands. A name of two words is a command of a group;
 * `xenchan GROUP --help` lists the group.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/nearest.h"
#include "cli/say.h"
#include "cli/streams.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *description;
} commands[] = {
	{ "vchan listen", command_vchan_listen,
	  "offer a vchan; standard input and output over it" },
	{ "vchan connect", command_vchan_connect,
	  "the other end; waits for the server" },
	{ "vchan bench", command_vchan_bench,
	  "speed, latency and cost, against other libraries and transports" },
	{ "vchan stats", command_vchan_stats,
	  "what the vchans of this machine have done" },
	{ "vchan proxy", command_vchan_proxy,
	  "connections of sockets and commands, many at once" },
	{ "channel attach", command_channel_attach, "give a domain a channel" },
	{ "channel detach", command_channel_detach, "take it away" },
	{ "channel events", command_channel_events,
	  "what guests and clients do, as it happens" },
	{ "channel list", command_channel_list,
	  "all channels, where they are and how they do" },
	{ "channel log", command_channel_log,
	  "begin or end the log of a channel's traffic" },
	{ "channel names", command_channel_names,
	  "in a guest: the channels that it has" },
	{ "channel open", command_channel_open,
	  "in a guest: a channel by name; standard input and output over it" },
	{ "channel serve", command_channel_serve,
	  "in a guest: a terminal and an agent for each channel" },
	{ "doctor", command_doctor,
	  "what this domain can do, what is missing, the remedy" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

/* How many arguments the words of a name take, or 0 if they are others. */
static int match_words(const char *name, int argc, char **argv)
{
	int n = 0;

	for (; *name; n++) {
		size_t length = strcspn(name, " ");

		if (n >= argc || strlen(argv[n]) != length ||
		    strncmp(argv[n], name, length))
			return 0;
		name += length;
		name += *name == ' ';
	}
	return n;
}

static bool is_in_group(const struct command *c, const char *group)
{
	size_t n = strlen(group);

	return !strncmp(c->name, group, n) && (!n || c->name[n] == ' ');
}

static bool is_group(const char *word)
{
	for (size_t i = 0; *word && i < N_COMMANDS; i++) {
		if (is_in_group(&commands[i], word))
			return true;
	}
	return false;
}

/* The commands of a group, or all: "". */
static int print_help(const char *group)
{
	char text[4096];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text),
			     "usage: xenchan %s%sCOMMAND [options]\n\n", group,
			     *group ? " " : "");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!is_in_group(&commands[i], group))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "  %-16s %s\n", commands[i].name,
				      commands[i].description);
	}
	snprintf(text + n, sizeof(text) - n,
		 "\nEach command takes --help. xenchan --version prints the "
		 "version. See xenchan(1).\n");
	return say_text(text);
}

struct suggestions {
	char text[512];
	size_t n;
};

/* The first n bytes of a name, unless they were the last that was added. */
static void suggest(struct suggestions *s, const char *name, size_t n)
{
	size_t before = s->n;

	if (before >= n && !strncmp(s->text + before - n, name, n))
		return;
	s->n += (size_t)snprintf(
		s->text + before, sizeof(s->text) - before, "%s%.*s",
		before ? ", " : "; did you mean: ", (int)n, name);
}

/* What a mistyped name may have been: a group, or a command, without its group
 * too. */
static struct suggestions suggestions_for(const char *typed, const char *word)
{
	struct suggestions s = { .n = 0 };

	for (size_t i = 0; i < N_COMMANDS; i++) {
		const char *name = commands[i].name;
		size_t n = strcspn(name, " ");
		char group[32];

		snprintf(group, sizeof(group), "%.*s", (int)n, name);
		if (name[n] && name_is_near(typed, group))
			suggest(&s, name, n);
		else if (name_is_near(typed, name) ||
			 (name[n] && name_is_near(word, name + n + 1)))
			suggest(&s, name, strlen(name));
	}
	return s;
}

/* A word that is none of the group; after what is no group, the next one may
 * belong to the name. */
static int say_unknown(const char *group, int argc, char **argv)
{
	struct suggestions near = { .n = 0 };
	const char *word = argv[0];
	char typed[128];

	if (!*group && argc > 1 && argv[1][0] != '-') {
		snprintf(typed, sizeof(typed), "%s %s", word, argv[1]);
		near = suggestions_for(typed, typed);
	}
	if (!near.n) {
		snprintf(typed, sizeof(typed), "%s%s%s", group,
			 *group ? " " : "", word);
		near = suggestions_for(typed, word);
	}
	return say_usage(group, "no command \"%s\"%s", typed, near.text);
}

static int run_in_group(const char *group, int argc, char **argv)
{
	if (argc < 1)
		return say_usage(group, "COMMAND is missing");
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return print_help(group);
	return say_unknown(group, argc, argv);
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		int n = match_words(commands[i].name, argc, argv);

		if (n)
			return commands[i].run(argc - n + 1, argv + n - 1);
	}
	if (argc && is_group(argv[0]))
		return run_in_group(argv[0], argc - 1, argv + 1);
	if (argc && (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V")))
		return say_text("xenchan " XENCHAN_VERSION "\n");
	return run_in_group("", argc, argv);
}

int main(int argc, char **argv)
{
	int r = streams_reserve();

	if (r)
		return say_failure("cannot open /dev/null: %s", strerror(-r));
	return run(argc - 1, argv + 1);
}
