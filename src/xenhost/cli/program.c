// SPDX-License-Identifier: MIT
/* What keeps the stand-ins from taking the place of Xen's libraries. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli.h"

struct image {
	const uint8_t *bytes;
	size_t size;
};

/* The program header of this type; NULL if there is none in the file. */
static const ElfW(Phdr) * find_header(const struct image *image, uint32_t type)
{
	const ElfW(Ehdr) *elf = (const void *)image->bytes;
	const ElfW(Phdr) *headers = (const void *)(image->bytes + elf->e_phoff);

	if (elf->e_phoff > image->size ||
	    elf->e_phoff % _Alignof(ElfW(Phdr)) != 0 ||
	    (image->size - elf->e_phoff) / sizeof(*headers) < elf->e_phnum)
		return NULL;
	for (int i = 0; i < elf->e_phnum; i++)
		if (headers[i].p_type == type)
			return &headers[i];
	return NULL;
}

static bool has_rpath(const struct image *image)
{
	const ElfW(Phdr) *header = find_header(image, PT_DYNAMIC);
	bool rpath = false, runpath = false;
	const ElfW(Dyn) * dyn;

	if (!header || header->p_offset > image->size ||
	    header->p_filesz > image->size - header->p_offset ||
	    header->p_offset % _Alignof(ElfW(Dyn)) != 0)
		return false;
	dyn = (const void *)(image->bytes + header->p_offset);
	for (size_t i = 0;
	     i < header->p_filesz / sizeof(*dyn) && dyn[i].d_tag != DT_NULL;
	     i++) {
		rpath |= dyn[i].d_tag == DT_RPATH;
		runpath |= dyn[i].d_tag == DT_RUNPATH;
	}
	return rpath && !runpath;
}

static const char *image_trouble(const struct image *image)
{
	static const unsigned char native =
		sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;

	if (image->size < sizeof(ElfW(Ehdr)) ||
	    memcmp(image->bytes, ELFMAG, SELFMAG) != 0)
		return NULL; /* a script */
	if (image->bytes[EI_CLASS] != native)
		return "is for another kind of machine";
	if (!find_header(image, PT_INTERP))
		return "is statically linked";
	if (has_rpath(image))
		return "has a DT_RPATH, which comes before our libraries";
	return NULL;
}

const char *program_trouble(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *trouble;
	struct image image;
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size == 0)
		return NULL;
	if ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
	    (st.st_mode & S_ISGID && st.st_gid != getegid()) ||
	    fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "is set-user-id, set-group-id or has capabilities";
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	image = (struct image){ map, st.st_size };
	trouble = image_trouble(&image);
	munmap(map, st.st_size);
	return trouble;
}
