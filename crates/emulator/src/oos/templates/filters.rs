//! Filters and order of `ListTemplates`.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::oos::execution::time_text;
use crate::oos::records::tags;
use crate::oos::request::{
    CATEGORIES, SHARE_TYPES, bad_parameter, flag, one_of, optional_text, time,
};
use crate::params::Params;

/// Which templates a request asks for, as rows of the answer show them.
pub(super) struct TemplateFilters {
    /// Field and value.
    equal: Vec<(&'static str, String)>,
    name: Option<String>,
    has_trigger: Option<bool>,
    favourite: Option<bool>,
    example: Option<bool>,
    tags: Map<String, Value>,
    /// Inclusive.
    after: Option<String>,
    before: Option<String>,
    /// Field and whether the order is downwards.
    order: Option<(String, bool)>,
}

const EQUAL: &[&str] = &[
    "ShareType",
    "CreatedBy",
    "TemplateType",
    "TemplateFormat",
    "Category",
    "ResourceGroupId",
];

const FIELDS: &[&str] = &[
    "TotalExecutionCount",
    "Popularity",
    "TemplateName",
    "CreatedDate",
    "UpdatedDate",
];

impl TemplateFilters {
    pub(super) fn parse(params: &Params) -> Result<Self, ApiError> {
        let mut equal = Vec::new();
        for name in EQUAL {
            if let Some(value) = optional_text(params, name)? {
                equal.push((*name, value));
            }
        }
        let downwards = match optional_text(params, "SortOrder")?.as_deref() {
            None => None,
            Some("Descending") => Some(true),
            Some("Ascending") => Some(false),
            Some(_) => {
                return Err(bad_parameter(
                    "SortOrder",
                    "must be Ascending or Descending",
                ));
            }
        };
        let field = optional_text(params, "SortField")?;
        if field
            .as_ref()
            .is_some_and(|f| !FIELDS.contains(&f.as_str()))
        {
            let allowed = format!("must be one of {}", FIELDS.join(", "));
            return Err(bad_parameter("SortField", &allowed));
        }
        // Without either, own templates come first.
        let order = match (field, downwards) {
            (None, None) => None,
            (field, downwards) => Some((
                field.unwrap_or_else(|| FIELDS[0].to_owned()),
                downwards.unwrap_or(true),
            )),
        };
        let found = Self {
            equal,
            name: optional_text(params, "TemplateName")?,
            has_trigger: flag(params, "HasTrigger")?,
            favourite: flag(params, "IsFavorite")?,
            example: flag(params, "IsExample")?,
            tags: tags(params, "Tags")?.unwrap_or_default(),
            after: time(params, "CreatedDateAfter")?.map(time_text),
            before: time(params, "CreatedDateBefore")?.map(time_text),
            order,
        };
        one_of(params, "ShareType", SHARE_TYPES)?;
        one_of(params, "TemplateType", &["Automation", "State", "Package"])?;
        one_of(params, "TemplateFormat", &["JSON", "YAML"])?;
        one_of(params, "Category", CATEGORIES)?;
        Ok(found)
    }

    pub(super) fn admit(&self, row: &Value) -> bool {
        let text = |field: &str| row[field].as_str().unwrap_or_default();
        let created = text("CreatedDate");
        self.equal.iter().all(|(field, value)| text(field) == value)
            && self
                .name
                .as_ref()
                .is_none_or(|part| text("TemplateName").contains(part.as_str()))
            && self.has_trigger.is_none_or(|has| row["HasTrigger"] == has)
            // Nobody has favourites here, and there are no examples.
            && self.favourite != Some(true)
            && self.example != Some(true)
            && self.tags.iter().all(|(key, value)| row["Tags"][key] == *value)
            && self.after.as_ref().is_none_or(|after| created >= after.as_str())
            && self.before.as_ref().is_none_or(|before| created <= before.as_str())
    }

    /// Rows that are equal in the field stay in their order.
    pub(super) fn sort(&self, rows: &mut [Value]) {
        let Some((field, downwards)) = &self.order else {
            return;
        };
        let key = |row: &Value| match &row[field] {
            Value::Number(number) => format!("{:020}", number.as_u64().unwrap_or(0)),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        rows.sort_by(|a, b| match downwards {
            true => key(b).cmp(&key(a)),
            false => key(a).cmp(&key(b)),
        });
    }
}
