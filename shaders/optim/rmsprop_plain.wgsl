// No momentum.
fn velocity_of(i: u32, step: f32) -> f32 { return step; }
