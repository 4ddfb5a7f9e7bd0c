set(shell_sources shell/body.cpp shell/engine.cpp shell/loader.cpp shell/mixer.cpp shell/models.cpp
  shell/parameters.cpp shell/product.cpp shell/readings.cpp shell/readouts.cpp shell/shell.cpp shell/state.cpp shell/voice.cpp)
