// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/path.h"

#include <stdio.h>
#include <string.h>

#define HOMES "/local/domain/"

/*
 * The length of a leading "/local/domain/<number>/", or 0. A number is what
 * sscanf's %5u takes: five characters, of which the first may be a minus.
 */
static size_t home_len(const char *path)
{
	size_t len = strlen(HOMES);
	size_t digits, sign;

	if (strncmp(path, HOMES, len))
		return 0;
	sign = path[len] == '-';
	digits = strspn(path + len + sign, "0123456789");
	if (!digits || sign + digits > 5 || path[len + sign + digits] != '/')
		return 0;
	return len + sign + digits + 1;
}

bool xsd_path_valid(const char *path)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789-/_@";
	size_t len = strlen(path);

	if (path[0] != '/' || (len > 1 && path[len - 1] == '/') ||
	    strstr(path, "//"))
		return false;
	return len <= home_len(path) + XSD_PATH_MAX &&
	       strspn(path, chars) == len;
}

size_t xsd_path_home(unsigned int domid, char out[XSD_PATH_BUF])
{
	return (size_t)snprintf(out, XSD_PATH_BUF, HOMES "%u", domid);
}

void xsd_path_absolute(unsigned int domid, const char *path,
		       char out[XSD_PATH_BUF])
{
	if (path[0] == '/' || path[0] == '@')
		snprintf(out, XSD_PATH_BUF, "%s", path);
	else
		snprintf(out, XSD_PATH_BUF, HOMES "%u/%s", domid, path);
}

size_t xsd_path_parent_len(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);

	return slash == path ? 1 : (size_t)(slash - path);
}

const char *xsd_path_leaf(const char *path)
{
	return strrchr(path, '/') + 1;
}
