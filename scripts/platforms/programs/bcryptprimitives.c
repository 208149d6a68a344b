/* The one function of bcryptprimitives.dll that Rust's library needs. Windows has it since version 8, Wine since version 9. */

#include <stddef.h>

#define LARGEST 0x7fffffff

__declspec(dllimport) unsigned char SystemFunction036(void *buffer, unsigned long length);

__declspec(dllexport) int ProcessPrng(unsigned char *data, size_t length) {
  while (length > 0) {
    unsigned long part = length > LARGEST ? LARGEST : (unsigned long)length;
    if (!SystemFunction036(data, part)) return 0;
    data += part;
    length -= part;
  }
  return 1;
}
