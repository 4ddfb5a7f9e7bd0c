#pragma once
#include <stddef.h>
typedef struct FILE FILE;
extern "C" {
FILE *standard_error(void);
int fprintf(FILE *, const char *, ...);
}
#define stderr standard_error()
