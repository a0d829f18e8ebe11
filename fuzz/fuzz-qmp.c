// SPDX-License-Identifier: MIT
/* What a client sends to the device model's monitor, in pieces. */
#include "dm/qmp.h"
#include "fuzz.h"

static void take_answer(struct qmp *q, size_t piece)
{
	size_t n;

	while (qmp_answer(q, &n), n)
		qmp_sent(q, piece && piece < n ? piece : n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dm_args args = { .domid = 3 };
	struct fuzz_input in = { data, size };
	size_t step = fuzz_u8(&in);
	struct qmp *q;
	int r = 0;

	fuzz_require(!qmp_new(&q, &args));
	take_answer(q, step);
	while (in.left && !r) {
		size_t n = step && step < in.left ? step : in.left, taken = 0;

		r = qmp_feed(q, (const char *)in.data, n, &taken);
		fuzz_require(!r || r == QMP_MALFORMED);
		fuzz_require(taken <= n && (r || taken));
		in.data += taken;
		in.left -= taken;
		take_answer(q, step);
	}
	qmp_free(q);
	return 0;
}
