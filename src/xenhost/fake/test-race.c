// SPDX-License-Identifier: MIT
/*
 * Under a race detector: two domains that write and read one byte of a shared
 * page are ordered by an event, and by nothing else that they call. The names
 * of the runs say which; all but "ordered" must be reported.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "xenhost/fake/fake-host.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct {
	const char *how;
	xenevtchn_handle *event; /* domain 1's */
	int port;
	char *byte;
} writer;

static void *write_byte(void *arg)
{
	int r;

	if (!strcmp(writer.how, "no-event")) {
		r = xenevtchn_unmask(writer.event, writer.port);
		*writer.byte = 1;
		r |= xenevtchn_unmask(writer.event, writer.port);
	} else if (!strcmp(writer.how, "after-event")) {
		r = xenevtchn_notify(writer.event, writer.port);
		*writer.byte = 1;
	} else {
		*writer.byte = 1;
		r = xenevtchn_notify(writer.event, writer.port);
	}
	must(!r);
	return NULL;
}

static void set_up_writer(uint32_t *ref)
{
	xengntshr_handle *shr;

	fake_host_set_domain(1);
	shr = xengntshr_open(NULL, 0);
	writer.byte = xengntshr_share_pages(shr, 2, 1, ref, 1);
	writer.event = xenevtchn_open(NULL, 0);
	writer.port = xenevtchn_bind_unbound_port(writer.event, 2);
}

int main(int argc, char **argv)
{
	xenevtchn_handle *event;
	xengnttab_handle *tab;
	pthread_t thread;
	uint32_t ref;
	char *byte;
	int port;

	must(argc == 2);
	writer.how = argv[1];
	fake_host_reset();
	fake_host_create(1);
	fake_host_create(2);
	set_up_writer(&ref);
	fake_host_set_domain(2);
	tab = xengnttab_open(NULL, 0);
	byte = xengnttab_map_grant_ref(tab, 1, ref, PROT_READ | PROT_WRITE);
	event = xenevtchn_open(NULL, 0);
	port = xenevtchn_bind_interdomain(event, 1, writer.port);
	must(xenevtchn_pending(event) == port);
	xenevtchn_unmask(event, port);
	pthread_create(&thread, NULL, write_byte, NULL);
	if (!strcmp(writer.how, "no-event"))
		xenevtchn_notify(event, port);
	else
		must(xenevtchn_pending(event) == port);
	/* Long after the write, in time; the detector must not care. */
	usleep(100000);
	printf("%d\n", *byte);
	pthread_join(thread, NULL);
	return 0;
}
