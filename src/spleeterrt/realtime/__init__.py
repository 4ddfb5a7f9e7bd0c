"""Stems while the music plays.

    settings -> stream (the engine's face) -> live (JACK, PortAudio), pipe (standard input and output)

`latency_plan` chooses the settings for a latency; `outputs`, `descriptors` and `pace` belong to the pipe.
"""
