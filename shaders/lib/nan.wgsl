// Whether a value is no number. By its bits: compilers may take value != value for impossible, and their min and max drop a NaN.
fn is_nan(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u; }
