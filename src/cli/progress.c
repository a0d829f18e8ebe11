// SPDX-License-Identifier: MIT
#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

char *format_bytes(char *text, size_t size, uint64_t n)
{
	static const char *const units[] = { "B",   "KiB", "MiB",
					     "GiB", "TiB", "PiB" };
	double value = (double)n;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(*units)) {
		value /= 1024;
		unit++;
	}
	snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

void progress_start(struct progress *p, bool on)
{
	*p = (struct progress){ .on = on, .start_ns = clock_now_ns() };
}

/* \033[K clears what a longer line has left. */
static void __attribute__((format(printf, 1, 0)))
rewrite_line(const char *fmt, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "\r%s\033[K", text);
	fflush(stderr);
}

void progress_note(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->on)
		return;
	va_start(ap, fmt);
	rewrite_line(fmt, ap);
	va_end(ap);
}

static void show(struct progress *p, int64_t now, uint64_t sent,
		 uint64_t received)
{
	char out[32], in[32], rate[32];
	int64_t ns = now - p->start_ns;
	long long s = ns / NS_PER_S;
	double per_s =
		ns > 0 ? (double)(sent + received) * NS_PER_S / (double)ns : 0;

	progress_note(p, "sent %s, received %s, %s/s, %lld:%02lld",
		      format_bytes(out, sizeof(out), sent),
		      format_bytes(in, sizeof(in), received),
		      format_bytes(rate, sizeof(rate), (uint64_t)per_s), s / 60,
		      s % 60);
	p->shown_ns = now;
}

void progress_show(struct progress *p, uint64_t sent, uint64_t received)
{
	int64_t now;

	if (!p->on)
		return;
	now = clock_now_ns();
	if (now - p->shown_ns >= PROGRESS_INTERVAL_MS * NS_PER_MS)
		show(p, now, sent, received);
}

void progress_end(struct progress *p, uint64_t sent, uint64_t received)
{
	if (!p->on)
		return;
	show(p, clock_now_ns(), sent, received);
	fputc('\n', stderr);
	p->on = false;
}

void progress_abandon(struct progress *p)
{
	progress_note(p, "%s", "");
	p->on = false;
}
