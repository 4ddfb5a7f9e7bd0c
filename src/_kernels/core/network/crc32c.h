// CRC-32C (Castagnoli), eight bytes at a time; by the CPU's own instruction where it has one.
#ifndef SPLEETERRT_CRC32C_H
#define SPLEETERRT_CRC32C_H

#include "cpu.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__GNUC__) && defined(__x86_64__)
#include <nmmintrin.h>
// (crc32: where zig names no CPU, it switches this part of SSE 4.2 off by itself.)
#define SPLEETERRT_CRC32C_INSTRUCTION __attribute__((target("sse4.2,crc32")))
#elif defined(__GNUC__) && defined(__aarch64__)
#define SPLEETERRT_CRC32C_INSTRUCTION
#endif

namespace spleeterrt {

struct Crc32cTables {
    std::uint32_t of[8][256]; // of[k][b]: of byte b and k zeros behind it

    constexpr Crc32cTables() : of()
    {
        for (std::uint32_t byte = 0; byte < 256; byte++) {
            std::uint32_t crc = byte;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
            of[0][byte] = crc;
        }
        for (int k = 1; k < 8; k++)
            for (int byte = 0; byte < 256; byte++)
                of[k][byte] = (of[k - 1][byte] >> 8) ^ of[0][of[k - 1][byte] & 255];
    }
};

#if defined(SPLEETERRT_CRC32C_INSTRUCTION)
// (crc: not inverted.)
SPLEETERRT_CRC32C_INSTRUCTION inline std::uint32_t crc32c_by_instruction(std::uint32_t crc, const unsigned char *bytes,
                                                                         std::size_t size)
{
    for (; size >= 8; size -= 8, bytes += 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes, 8);
#if defined(__x86_64__)
        crc = static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
#else // (of the headers for it, compilers have several)
        __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
#endif
    }
    for (; size; size--, bytes++)
#if defined(__x86_64__)
        crc = _mm_crc32_u8(crc, *bytes);
#else
        __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((unsigned)*bytes));
#endif
    return crc;
}
#endif

// Of what `before` is that of (0: of nothing), and these bytes behind it.
inline std::uint32_t crc32c(const void *data, std::size_t size, std::uint32_t before = 0)
{
    static constexpr Crc32cTables tables;
    const auto *bytes = static_cast<const unsigned char *>(data);
#if defined(SPLEETERRT_CRC32C_INSTRUCTION)
    if (this_cpu().crc32c)
        return ~crc32c_by_instruction(~before, bytes, size);
#endif
    std::uint32_t crc = ~before;
    for (; size >= 8; size -= 8, bytes += 8) {
        std::uint32_t next = 0;
        for (int i = 0; i < 4; i++)
            next ^= tables.of[7 - i][(bytes[i] ^ (crc >> 8 * i)) & 255] ^ tables.of[3 - i][bytes[4 + i]];
        crc = next;
    }
    for (; size; size--, bytes++)
        crc = (crc >> 8) ^ tables.of[0][(crc ^ *bytes) & 255];
    return ~crc;
}

} // namespace spleeterrt

#endif
