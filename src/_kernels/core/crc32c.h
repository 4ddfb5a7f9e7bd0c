// CRC-32C (Castagnoli), eight bytes at a time.
#ifndef SPLEETERRT_CRC32C_H
#define SPLEETERRT_CRC32C_H

#include <cstddef>
#include <cstdint>

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

inline std::uint32_t crc32c(const void *data, std::size_t size)
{
    static constexpr Crc32cTables tables;
    const auto *bytes = static_cast<const unsigned char *>(data);
    std::uint32_t crc = ~0u;
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
