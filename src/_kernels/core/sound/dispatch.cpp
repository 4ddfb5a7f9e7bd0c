// Which build of the STFT and of the masks runs here.
#include "isa.h"
#include "sound/masks.h"
#include "sound/spectral.h"

namespace spleeterrt {

SRT_TABLES(StftTable, stft_table)
SRT_TABLES(MaskKernels, mask_table)

Stft *make_stft(const char *isa, std::size_t frame_length, std::size_t hop, std::size_t fft_length,
                const float *analysis, const float *synthesis)
{
    Isa set;
    if (!isa_named(isa, set))
        set = plainest_isa();
    return SRT_TABLE_OF(set, stft_table).make(frame_length, hop, fft_length, analysis, synthesis);
}

const MaskKernels &mask_kernels(Isa isa) { return SRT_TABLE_OF(isa, mask_table); }

const MaskKernels &mask_kernels(const char *isa)
{
    Isa set;
    return mask_kernels(isa_named(isa, set) ? set : plainest_isa());
}

} // namespace spleeterrt
