-- What Ardour 7 says of the LV2 plugin, without a display; the latency in every mode, without a restart:
--
--     LV2_PATH=build/plugin/bundles/lv2:/usr/lib/lv2 SESSION=$(mktemp -d)/s ardour7-lua bench/plugin_ardour.lua
local uri = "https://github.com/spleeterrt/spleeterrt/plugin#4stems"
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session(os.getenv("SESSION"), "plugin", 44100)
assert(session)
local tracks = session:new_audio_track(
  2, 2, nil, 1, "song", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
local processor = ARDOUR.LuaAPI.new_plugin(session, uri, ARDOUR.PluginType.LV2, "")
assert(not processor:isnil(), "not found: " .. uri)
tracks:front():add_processor_by_index(processor, 0, nil, true)
local insert = processor:to_insert()
local plugin = insert:plugin(0)
print("inputs", processor:input_streams():n_audio(), "outputs", processor:output_streams():n_audio())
local mode, controls = nil, 0
for index = 0, plugin:parameter_count() - 1 do
  if plugin:parameter_is_control(index) then
    local way = plugin:parameter_is_input(index) and "parameter" or "readout"
    print(way, plugin:parameter_label(index))
    if plugin:parameter_label(index) == "Latency mode" then mode = controls end
    controls = controls + 1
  end
end
for value = 0, 2 do
  ARDOUR.LuaAPI.set_processor_param(processor, mode, value)
  ARDOUR.LuaAPI.usleep(10000000) -- the engine is made, and has heard as much as it is late
  print("mode", value, "latency", insert:signal_latency())
end
close_session()
