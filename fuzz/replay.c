// SPDX-License-Identifier: MIT
/*
 * Runs a fuzz target over the files and directories that are named: what once
 * was found, or reaches far, is a test of every build, without libFuzzer.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0;
	struct stat st;

	if (!f || fstat(fileno(f), &st)) {
		perror(path);
		exit(1);
	}
	/* Of exactly this size: a read beyond it is one beyond the object. */
	data = malloc((size_t)st.st_size + !st.st_size);
	if (data)
		size = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	if (!data || size != (size_t)st.st_size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

/* How many files there were. */
static unsigned int replay(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;
	struct dirent *e;

	if (!dir) {
		replay_file(path);
		return 1;
	}
	while ((e = readdir(dir))) {
		char *file;

		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&file, "%s/%s", path, e->d_name) < 0)
			exit(1);
		n += replay(file);
		free(file);
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int n = 0;

	for (int i = 1; i < argc; i++)
		n += replay(argv[i]);
	printf("%u inputs\n", n);
	return !n;
}
