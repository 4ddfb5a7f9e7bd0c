// A module whose code is in the library of all modules (SPLEETERRT_ONE_BINARY).
typedef int empty;
