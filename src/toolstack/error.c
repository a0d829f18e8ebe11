// SPDX-License-Identifier: MIT
#include <assert.h>

#include "toolstack/channel.h"

static const char *const texts[] = {
	[0] = "done",
	[TOOLSTACK_NO_DOMAIN] = "no such domain",
	[TOOLSTACK_NO_BACKEND] = "no such backend domain",
	[TOOLSTACK_AMBIGUOUS] =
		"several domains have this name: give the number",
	[TOOLSTACK_BAD_NAME] =
		"not a channel's name: 1 to 255 bytes, no slash, "
		"no control character",
	[TOOLSTACK_BAD_PATH] =
		"not a path that can be used: absolute, without . and .., "
		"at most 107 bytes for a socket",
	[TOOLSTACK_DUPLICATE_NAME] =
		"the domain has a channel of this name already",
	[TOOLSTACK_DUPLICATE_PATH] = "another channel uses this path",
	[TOOLSTACK_NO_DEVICE] =
		"the domain has seven channels, and guests can use no more",
	[TOOLSTACK_NO_CHANNEL] = "the domain has no channel of this name",
	[TOOLSTACK_NOT_OURS] =
		"the channel is not xenchanneld's: its toolstack made it "
		"for QEMU",
	[TOOLSTACK_NO_ANSWER] =
		"the backend has not closed the channel in time: "
		"does xenchanneld run?",
	[TOOLSTACK_NOT_TAKEN] =
		"the guest has not taken the channel up in time; it stays "
		"attached",
	[TOOLSTACK_NOT_SERVED] =
		"no backend has taken the channel up in time: does "
		"xenchanneld run? The channel stays attached",
	[TOOLSTACK_NO_UUID] =
		"the domain has no UUID by which to know it after a reboot",
};
static_assert(sizeof(texts) / sizeof(texts[0]) == TOOLSTACK_ERROR_N,
	      "a text for each error");

const char *toolstack_error_text(int error)
{
	return texts[error];
}
