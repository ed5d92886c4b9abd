//! Scaling rules, as far as they can be executed.

use serde::{Deserialize, Serialize};

/// How many instances a rule adds or removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AdjustmentType {
    /// So many.
    #[serde(rename = "QuantityChangeInCapacity")]
    Quantity,
    /// So many percent of those that there are.
    #[serde(rename = "PercentChangeInCapacity")]
    Percent,
    /// Until there are so many.
    #[serde(rename = "TotalCapacity")]
    Total,
}

impl AdjustmentType {
    pub(crate) const ALL: [Self; 3] = [Self::Quantity, Self::Percent, Self::Total];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quantity => "QuantityChangeInCapacity",
            Self::Percent => "PercentChangeInCapacity",
            Self::Total => "TotalCapacity",
        }
    }

    /// The bounds of AdjustmentValue (API reference: CreateScalingRule).
    pub(crate) fn bounds(self) -> (i64, i64) {
        match self {
            Self::Quantity => (-1000, 1000),
            Self::Percent => (-100, 10_000),
            Self::Total => (0, 2000),
        }
    }

    /// How many instances are added, or removed if it is negative, where there are `total`.
    pub(crate) fn change(self, value: i64, least: i64, total: usize) -> i64 {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        match self {
            Self::Quantity => value,
            Self::Total => value.saturating_sub(total),
            Self::Percent => {
                let part = total.saturating_mul(value);
                let rounded = part.saturating_add(50 * part.signum()) / 100;
                match rounded.abs() < least {
                    true => least * value.signum(),
                    false => rounded,
                }
            }
        }
    }
}

/// A scaling rule of type SimpleScalingRule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScalingRule {
    pub(crate) scaling_rule_id: String,
    /// Its id when absent.
    #[serde(default, rename = "scalingRuleName")]
    pub(crate) name: String,
    /// The group that it belongs to.
    #[serde(skip)]
    pub(crate) scaling_group_id: String,
    pub(crate) adjustment_type: AdjustmentType,
    pub(crate) adjustment_value: i64,
    /// Seconds. Only shown: who executes a rule does not wait for the end of the cooldown.
    #[serde(default)]
    pub(crate) cooldown: Option<i64>,
    /// At least so many instances, for PercentChangeInCapacity.
    #[serde(default)]
    pub(crate) min_adjustment_magnitude: i64,
}

#[cfg(test)]
mod tests {
    use super::AdjustmentType::{Percent, Quantity, Total};

    #[test]
    fn a_rule_adds_or_removes_what_its_kind_says() {
        assert_eq!(Quantity.change(-2, 0, 5), -2);
        assert_eq!(Total.change(3, 0, 5), -2);
        assert_eq!(Percent.change(50, 0, 5), 3);
        assert_eq!(Percent.change(-10, 0, 4), 0);
        assert_eq!(Percent.change(-10, 2, 4), -2);
    }
}
