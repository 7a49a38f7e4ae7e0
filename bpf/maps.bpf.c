// SPDX-License-Identifier: GPL-2.0-only
/* No program: the object from which the agent makes and pins the maps that all programs share. */
#include "lib/pw.h"
#include "lib/maps.h"

char LICENSE[] SEC("license") = "GPL";
