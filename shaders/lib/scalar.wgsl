// Storage and arithmetic types: activations are stored as Elem (f32 or f16), arithmetic is f32.
fn widen(value: Elem) -> f32 { return f32(value); }
fn narrow(value: f32) -> Elem { return Elem(value); }
