//! Which instance has which disks.

use jiff::Timestamp;

use super::disks::{Disk, DiskAttributes, DiskStatus, NewDisk};
use super::model::{Instance, Resources};

impl Resources {
    /// Puts an instance in, and gives the one that had its id.
    pub(crate) fn add_instance(&mut self, instance: Instance) -> Option<Instance> {
        self.system_disks
            .insert(instance.disk_id.clone(), instance.instance_id.clone());
        self.instances
            .insert(instance.instance_id.clone(), instance)
    }

    /// The instance is released: its disks go with it, or stay behind.
    pub(crate) fn drop_instance(&mut self, id: &str, now: Timestamp) -> Option<Instance> {
        let instance = self.instances.remove(id)?;
        self.system_disks.remove(&instance.disk_id);
        if let Some(kept) = instance.system_disk.as_deref()
            && !kept.delete_with_instance
        {
            let disk = Disk {
                disk_id: instance.disk_id.clone(),
                account_id: instance.account_id.clone(),
                region: instance.region.clone(),
                zone_id: instance.zone_id.clone(),
                is_system: true,
                size: instance.disk_size,
                status: DiskStatus::Available,
                settles_at: None,
                instance_id: None,
                device: String::new(),
                image_id: instance.image_id.clone(),
                source_snapshot_id: None,
                resource_group_id: String::new(),
                attributes: kept.clone(),
                created: instance.created,
                attached: Some(instance.created),
                detached: Some(now),
            };
            self.disks.insert(disk.disk_id.clone(), disk);
        }
        self.disks.retain(|_, disk| {
            if disk.instance_id.as_deref() != Some(id) {
                return true;
            }
            disk.instance_id = None;
            disk.device.clear();
            disk.status = DiskStatus::Available;
            disk.settles_at = None;
            disk.detached = Some(now);
            !disk.attributes.delete_with_instance
        });
        Some(instance)
    }

    /// Whether an instance has a disk there.
    pub(crate) fn has_device(&self, of: &str, device: &str) -> bool {
        let mut disks = self.disks.values();
        device == "/dev/xvda"
            || disks.any(|disk| disk.instance_id.as_deref() == Some(of) && disk.device == device)
    }

    /// `/dev/xvdb`, or the next that is free.
    pub(crate) fn free_device(&self, of: &str) -> String {
        let mut names = ('b'..='z').map(|letter| format!("/dev/xvd{letter}"));
        let free = names.find(|device| !self.has_device(of, device));
        free.unwrap_or_default()
    }

    /// A data disk that a new instance comes with.
    pub(crate) fn add_data_disk(&mut self, of: &Instance, id: String, new: NewDisk) {
        let device = match new.device {
            Some(device) if !self.has_device(&of.instance_id, &device) => device,
            _ => self.free_device(&of.instance_id),
        };
        let disk = Disk {
            disk_id: id.clone(),
            account_id: of.account_id.clone(),
            region: of.region.clone(),
            zone_id: of.zone_id.clone(),
            is_system: false,
            size: new.size,
            status: DiskStatus::InUse,
            settles_at: None,
            instance_id: Some(of.instance_id.clone()),
            device,
            image_id: String::new(),
            source_snapshot_id: new.snapshot_id,
            resource_group_id: of.attributes.resource_group_id.clone(),
            attributes: new.attributes,
            created: of.created,
            attached: Some(of.created),
            detached: None,
        };
        self.disks.insert(id, disk);
    }

    /// The instance whose system disk this is.
    pub(crate) fn with_system_disk(&self, disk_id: &str) -> Option<&Instance> {
        let instance = self.instances.get(self.system_disks.get(disk_id)?)?;
        (instance.disk_id == disk_id).then_some(instance)
    }

    /// What can be changed of a disk, system disk or not.
    pub(crate) fn disk_attributes(&mut self, disk_id: &str) -> Option<&mut DiskAttributes> {
        if let Some(disk) = self.disks.get_mut(disk_id) {
            return Some(&mut disk.attributes);
        }
        let instance = self.instances.get_mut(self.system_disks.get(disk_id)?)?;
        if instance.disk_id != disk_id {
            return None;
        }
        let own = instance
            .system_disk
            .get_or_insert_with(|| Box::new(DiskAttributes::of_system()));
        Some(own)
    }

    /// The instance has another system disk from now on, which nobody has changed yet.
    pub(crate) fn change_system_disk(&mut self, instance_id: &str, disk_id: &str) {
        if let Some(instance) = self.instances.get_mut(instance_id) {
            self.system_disks.remove(&instance.disk_id);
            disk_id.clone_into(&mut instance.disk_id);
            self.system_disks
                .insert(disk_id.to_owned(), instance_id.to_owned());
        }
    }
}
