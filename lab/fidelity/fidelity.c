// SPDX-License-Identifier: MIT
/*
 * fidelity - run one script of operations over several domains, in lock step, and
 * print each with its result, so that two hosts can be compared line by line.
 *
 *   fidelity [-a DOMAIN=COMMAND]... [-t DOMAIN=COMMAND]... [-H HOOK] SCRIPT
 *
 * How to reach the agent of a domain, once the script names that domain: -a gives a
 * command that is the agent, -t one that prints the path of the terminal at whose
 * other end the agent listens. A line of the script is
 *
 *   DOMAIN.PROCESS[/HANDLES] OPERATION ARGUMENT...   done by that process
 *   host WORD...                                     done by HOOK WORD...
 *   = TEXT                                           a heading, printed
 *   # TEXT                                           a remark, not printed
 *
 * $NAME stands for the number (a port, a grant reference) that an earlier operation
 * brought forth under NAME, $NAME.2 for the third of several.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define N_AGENTS 8
#define N_VALUES 512
#define LINE_LEN 65536
#define REPLY_MS 150000
#define HELLO_MS 2000
/* What fits into a console that nobody reads at the moment */
#define N_SENT 16
#define SENT_BYTES 512

struct agent {
	char domain[8];
	const char *command;
	bool is_tty, started;
	int in, out;
	size_t n_buffered;
	char buffer[LINE_LEN];
};

struct value {
	char name[32], text[512];
};

/* Sent to one agent, the answers still to come */
static struct {
	struct agent *agent;
	unsigned int n;
	size_t n_bytes;
	char *lines[N_SENT];
} sent;

static struct agent agents[N_AGENTS];
static struct value values[N_VALUES];
static unsigned int n_agents, n_values, seq, line_number;
static const char *hook;

static void die(const char *what, const char *which)
{
	fprintf(stderr, "fidelity: line %u: %s: %s\n", line_number, what,
		which);
	exit(1);
}

static void open_tty(struct agent *a)
{
	char path[256] = "";
	struct termios t;
	FILE *f = popen(a->command, "re");

	if (!f || !fgets(path, sizeof path, f) || pclose(f))
		die("no terminal from", a->command);
	path[strcspn(path, "\n")] = 0;
	a->in = a->out = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (a->in < 0 || tcgetattr(a->in, &t) < 0)
		die(path, strerror(errno));
	cfmakeraw(&t);
	tcsetattr(a->in, TCSANOW, &t);
}

static void start_agent(struct agent *a)
{
	int to[2], from[2];
	pid_t pid = -1;

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 ||
	    (pid = fork()) < 0)
		die(a->command, strerror(errno));
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", a->command, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	a->in = from[0];
	a->out = to[1];
}

static void add_agent(const char *spec, bool is_tty)
{
	struct agent *a = &agents[n_agents];
	int n = 0;

	if (n_agents == N_AGENTS ||
	    sscanf(spec, "%7[0-9]=%n", a->domain, &n) < 1 || !n)
		die("not DOMAIN=COMMAND", spec);
	n_agents++;
	a->command = spec + n;
	a->is_tty = is_tty;
}

static void write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t w = write(fd, data, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			die("write", strerror(errno));
		data += w;
		n -= w;
	}
}

/* The next line "@=SEQ TEXT"; what else stands on a console is skipped. */
static bool take_line(struct agent *a, unsigned int want, char *text)
{
	char *end, *start;
	unsigned int got;
	int at;
	bool found = false;

	while (!found && (end = memchr(a->buffer, '\n', a->n_buffered))) {
		*end = 0;
		end[-(end > a->buffer && end[-1] == '\r')] = 0;
		start = strstr(a->buffer, "@=");
		if (start && sscanf(start, "@=%u %n", &got, &at) == 1 &&
		    got == want) {
			strcpy(text, start + at);
			found = true;
		}
		a->n_buffered -= end + 1 - a->buffer;
		memmove(a->buffer, end + 1, a->n_buffered);
	}
	return found;
}

static void tell(struct agent *a, const char *command)
{
	char head[32];

	write_all(a->out, head, sprintf(head, "@@%u ", ++seq));
	write_all(a->out, command, strlen(command));
	write_all(a->out, "\n", 1);
}

/* The answer to command number `want`; false: none within the time */
static bool await(struct agent *a, unsigned int want, int ms, char *text)
{
	struct pollfd p = { .fd = a->in, .events = POLLIN };
	ssize_t n;

	while (!take_line(a, want, text)) {
		if (poll(&p, 1, ms) != 1)
			return false;
		n = read(a->in, a->buffer + a->n_buffered,
			 sizeof a->buffer - 1 - a->n_buffered);
		if (n <= 0)
			die("agent is gone, domain", a->domain);
		a->n_buffered += n;
		if (a->n_buffered == sizeof a->buffer - 1)
			a->n_buffered = 0;
	}
	return true;
}

static bool reset(struct agent *a)
{
	char text[LINE_LEN];

	tell(a, "- reset");
	return await(a, seq, HELLO_MS, text);
}

/* A domain may still be booting, and its console full of that. */
static void greet(struct agent *a)
{
	if (a->started)
		return;
	if (a->is_tty)
		open_tty(a);
	else
		start_agent(a);
	a->started = true;
	for (int i = 0; i < REPLY_MS / HELLO_MS; i++)
		if (reset(a))
			return;
	die("no agent in domain", a->domain);
}

static void set_value(char *assignment)
{
	char *text = strchr(assignment, '=');
	struct value *v = values;

	if (!text)
		return;
	*text++ = 0;
	while (v < values + n_values && strcmp(v->name, assignment))
		v++;
	if (v == values + N_VALUES)
		die("too many values", assignment);
	if (v == values + n_values)
		n_values++;
	snprintf(v->name, sizeof v->name, "%s", assignment);
	snprintf(v->text, sizeof v->text, "%s", text);
}

static const char *find_value(const char *name)
{
	for (unsigned int i = 0; i < n_values; i++)
		if (!strcmp(values[i].name, name))
			return values[i].text;
	/* What failed brought forth nothing: a number that nobody has */
	return "999999";
}

static void substitute(const char *in, char *out)
{
	char name[32];
	unsigned int index;
	int n, m;

	while (*in) {
		const char *text;

		if (sscanf(in, "$%31[a-z0-9_]%n", name, &n) != 1) {
			*out++ = *in++;
			continue;
		}
		in += n;
		text = find_value(name);
		if (sscanf(in, ".%u%n", &index, &m) == 1) {
			in += m;
			while (index-- && strchr(text, ','))
				text = strchr(text, ',') + 1;
			out += sprintf(out, "%.*s", (int)strcspn(text, ","),
				       text);
		} else {
			out += sprintf(out, "%s", text);
		}
	}
	*out = 0;
}

/* A domain that was destroyed has no agent any more. */
static void forget_agent(const char *domain)
{
	for (struct agent *a = agents; a < agents + n_agents; a++)
		if (a->started && !strcmp(a->domain, domain)) {
			close(a->in);
			if (a->out != a->in)
				close(a->out);
			a->started = false;
			a->n_buffered = 0;
		}
}

static void run_host(const char *words)
{
	static char command[LINE_LEN + 1024];
	int status;

	if (!hook)
		die("no hook for", words);
	snprintf(command, sizeof command, "%s %s", hook, words);
	fflush(stdout);
	status = system(command);
	if (status)
		printf("host %s -> failed\n", words);
	else
		printf("host %s -> ok\n", words);
	fflush(stdout);
	if (!strncmp(words, "destroy ", 8))
		forget_agent(words + 8);
}

static void print_result(const char *line, char *text)
{
	char *export = strchr(text, '\t');

	if (export) {
		*export = 0;
		set_value(export + 1);
	}
	printf("%s -> %s\n", line, text);
	fflush(stdout);
}

/* Wait for the answers to all that was sent. */
static void settle(void)
{
	char text[LINE_LEN];
	unsigned int first = seq - sent.n + 1;

	for (unsigned int i = 0; i < sent.n; i++) {
		if (!await(sent.agent, first + i, REPLY_MS, text))
			die("hangs", sent.lines[i]);
		print_result(sent.lines[i], text);
		free(sent.lines[i]);
	}
	sent.n = sent.n_bytes = 0;
}

static struct agent *find_agent(const char *line)
{
	size_t n = strcspn(line, ".");

	for (struct agent *a = agents; a < agents + n_agents; a++)
		if (strlen(a->domain) == n && !strncmp(line, a->domain, n))
			return a;
	die("no agent for", line);
	return NULL;
}

/*
 * Each domain does its operations one after another, so that the next can be sent
 * before the answer to the last is here; not so to another domain, nor when the
 * next depends on a number that the last brings forth.
 */
static void run_domain(const char *line)
{
	char command[LINE_LEN];
	struct agent *a = find_agent(line);

	if (sent.n &&
	    (sent.agent != a || sent.n == N_SENT ||
	     sent.n_bytes + strlen(line) > SENT_BYTES || strchr(line, '$')))
		settle();
	greet(a);
	substitute(strchr(line, '.') + 1, command);
	tell(a, command);
	sent.agent = a;
	sent.lines[sent.n++] = strdup(line);
	sent.n_bytes += strlen(line);
}

static void run_script(FILE *script)
{
	char line[LINE_LEN];

	while (fgets(line, sizeof line, script)) {
		line_number++;
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '=' || !strncmp(line, "host ", 5))
			settle();
		if (line[0] == '=')
			printf("\n%s\n", line);
		else if (!strncmp(line, "host ", 5))
			run_host(line + 5);
		else if (line[0] && line[0] != '#')
			run_domain(line);
	}
	settle();
}

int main(int argc, char **argv)
{
	FILE *script;
	int c;

	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt(argc, argv, "a:t:H:")) != -1) {
		if (c == 'a' || c == 't')
			add_agent(optarg, c == 't');
		else if (c == 'H')
			hook = optarg;
		else
			return 2;
	}
	script = optind + 1 == argc ? fopen(argv[optind], "re") : NULL;
	if (!script) {
		fputs("usage: fidelity [-a|-t DOMAIN=COMMAND]... [-H HOOK] "
		      "SCRIPT\n",
		      stderr);
		return 2;
	}
	run_script(script);
	for (unsigned int i = 0; i < n_agents; i++)
		if (agents[i].started)
			reset(&agents[i]);
	return 0;
}
