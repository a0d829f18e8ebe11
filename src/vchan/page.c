// SPDX-License-Identifier: MIT
#include "vchan/page.h"

static bool order_known(unsigned int order)
{
	return order >= VCHAN_ORDER_SMALL && order <= VCHAN_ORDER_MAX;
}

static bool in_page(unsigned int order)
{
	return order < VCHAN_PAGE_SHIFT;
}

bool vchan_orders_valid(unsigned int left, unsigned int right)
{
	size_t list_end;

	if (!order_known(left) || !order_known(right))
		return false;
	if (in_page(left) && left == right)
		return false;
	list_end = offsetof(struct vchan_page, grants) +
		   sizeof(uint32_t) * (vchan_order_grants(left) +
				       vchan_order_grants(right));
	/* A ring in the page starts at its own size. */
	return !(in_page(left) && list_end > 1u << left) &&
	       !(in_page(right) && list_end > 1u << right);
}

/* The order of a ring in pages of its own. */
static unsigned int order_of_pages(size_t min)
{
	unsigned int order = VCHAN_PAGE_SHIFT;

	while ((size_t)1 << order < min)
		order++;
	return order;
}

void vchan_orders_choose(size_t left_min, size_t right_min, unsigned int *left,
			 unsigned int *right)
{
	const size_t small = 1u << VCHAN_ORDER_SMALL;
	const size_t large = 1u << VCHAN_ORDER_LARGE;

	*left = order_of_pages(left_min);
	*right = order_of_pages(right_min);
	if (left_min <= small && right_min <= large) {
		*left = VCHAN_ORDER_SMALL;
		*right = VCHAN_ORDER_LARGE;
	} else if (left_min <= large && right_min <= small) {
		*left = VCHAN_ORDER_LARGE;
		*right = VCHAN_ORDER_SMALL;
	} else if (left_min <= large) {
		*left = VCHAN_ORDER_LARGE;
	} else if (right_min <= large) {
		*right = VCHAN_ORDER_LARGE;
	}
}
