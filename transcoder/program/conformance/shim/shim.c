/*
 * What the runner asks of a C library and a C++ library newer than this machine's. Preloaded, it lets the runner start
 * once its needs of those versions are weak.
 */
#include <stdlib.h>

/* The constructor of std::ios_base::Init, which sets up std::cout and its like. Weak, as no other program needs it. */
extern void _ZNSt8ios_base4InitC1Ev(void *) __attribute__((weak));

/* std::ios_base_library_init: a program built with a new libstdc++ leaves to the library what it once did itself. */
void _ZSt21ios_base_library_initv(void)
{
	static char init[16];
	if (_ZNSt8ios_base4InitC1Ev)
		_ZNSt8ios_base4InitC1Ev(init);
}

/* C23's number parsers differ from their forebears in binary literals only. */
long __isoc23_strtol(const char *s, char **end, int base) { return strtol(s, end, base); }
long long __isoc23_strtoll(const char *s, char **end, int base) { return strtoll(s, end, base); }
unsigned long __isoc23_strtoul(const char *s, char **end, int base) { return strtoul(s, end, base); }
unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }
