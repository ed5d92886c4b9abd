//! Words of the cloud's: those that are known, and whatever else it says.

/// Declares an enum of the cloud's words that keeps the ones it does not know.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A word that is not documented: shown, never guessed at.
            Unknown(String),
        }
        impl $name {
            /// The word as the API spells it.
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $text,)+ Self::Unknown(text) => text }
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() { $($text => Self::$variant,)+ _ => Self::Unknown(text) }
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self::from(text.to_owned()) }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self { value.as_str().to_owned() }
        }
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

pub(crate) use open_enum;
