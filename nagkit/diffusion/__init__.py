"""The mathematics of diffusion over slots: processes, denoiser, guidance."""
