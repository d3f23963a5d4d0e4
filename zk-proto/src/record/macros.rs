//! The table's notation: one `records!` entry gives the struct, both codecs and the dynamic view of a record.

macro_rules! records {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident = $wire_name:literal {
            $( $(#[$field_meta:meta])* $field:ident = $wire_field:literal : $type:ty, )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::wire::Jute for $name {
            const MIN_BYTES: usize = 0 $( + <$type as $crate::wire::Jute>::MIN_BYTES )*;

            fn encode(&self, out: &mut $crate::wire::Encoder<'_>) {
                $( $crate::wire::Jute::encode(&self.$field, out); )*
            }

            const IS_NUMBERS: bool = true $( && <$type as $crate::wire::Jute>::IS_NUMBERS )*;

            #[inline]
            fn take_numbers(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self { $( $field: <$type as $crate::wire::Jute>::take_numbers(bytes)?, )* })
            }

            #[inline]
            fn decode(input: &mut $crate::wire::Decoder) -> Result<Self, $crate::wire::DecodeError> {
                // One look at the length does for all fields. Where they are not all there, the long way names the field.
                if Self::IS_NUMBERS {
                    if let Some(record) = input.numbers() {
                        return Ok(record);
                    }
                }
                Self::decode_fields(input)
            }
        }

        impl $name {
            fn decode_fields(input: &mut $crate::wire::Decoder) -> Result<Self, $crate::wire::DecodeError> {
                Ok(Self {
                    $( $field: <$type as $crate::wire::Jute>::decode(input)
                        .map_err(|error| error.in_field($wire_name, $wire_field))?, )*
                })
            }
        }

        impl $crate::record::value::AsValue for $name {
            fn to_value(&self) -> $crate::record::Value {
                let mut fields = ::alloc::vec::Vec::new();
                $( $crate::record::value::AsValue::push_field(&self.$field, $wire_field, &mut fields); )*
                $crate::record::Value::Record(fields)
            }

            fn from_value(value: &$crate::record::Value) -> Result<Self, $crate::record::FromValueError> {
                Ok(Self {
                    $( $field: value.field($wire_field)
                        .and_then(<$type as $crate::record::value::AsValue>::from_field)
                        .map_err(|error| error.within($wire_field))?, )*
                })
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                Ok(Self {
                    $( $field: <$type as $crate::record::value::ArbitraryField>::arbitrary_field(u)?, )*
                })
            }
        }
    )*};
}
