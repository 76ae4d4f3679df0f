namespace TorchSharp;

public static partial class torch
{
    public static readonly Device CPU = new(DeviceType.CPU);

    private static Device? _defaultDevice;

    public static Device get_default_device() => _defaultDevice ?? CPU;

    public static void set_default_device(Device device) => _defaultDevice = InitializeDevice(device);

    public static void set_default_device(string device) => set_default_device(new Device(device));

    public static Device device(string description) => InitializeDevice(new Device(description));

    public static Device device(string deviceType, int index = -1) => InitializeDevice(new Device(deviceType, index));

    public static Device device(DeviceType deviceType, int index = -1) =>
        InitializeDevice(new Device(deviceType, index));

    public static Device device(int index) => new(DeviceType.CUDA, index);

    public static bool cuda_is_available() => cuda.is_available();

    public static bool TryInitializeDeviceType(DeviceType deviceType) =>
        deviceType is not (DeviceType.CUDA or DeviceType.MPS);

    public static void InitializeDeviceType(DeviceType deviceType)
    {
        if (!TryInitializeDeviceType(deviceType))
        {
            throw new InvalidOperationException(
                $"Torch device type {deviceType} did not initialise on the current machine: this build of TorchSharp is for CPUs.");
        }
    }

    public static Device InitializeDevice(Device? device)
    {
        device ??= get_default_device();
        InitializeDeviceType(device.type);
        return device;
    }

    /// <summary>Where tensors live.</summary>
    public class Device
    {
        public Device(string description)
        {
            string[] parts = description.Split(':');
            type = Enum.Parse<DeviceType>(parts[0].ToUpperInvariant());
            if (parts.Length == 2)
            {
                index = int.Parse(parts[1]);
            }
        }

        public Device(string deviceType, int index = -1)
        {
            type = Enum.Parse<DeviceType>(deviceType.ToUpperInvariant());
            this.index = index;
        }

        public Device(DeviceType deviceType, int index = -1)
        {
            type = deviceType;
            this.index = index;
        }

        public Device(int index)
            : this(DeviceType.CUDA, index)
        {
        }

        public DeviceType type { get; private set; }

        public int index { get; private set; } = -1;

        public static implicit operator Device(string description) => new(description);

        public override string ToString()
        {
            string kind = type.ToString().ToLowerInvariant();
            return type == DeviceType.CPU || index == -1 ? kind : $"{kind}:{index}";
        }
    }

    public static partial class cuda
    {
        public static bool is_available() => false;

        public static bool is_cudnn_available() => false;

        public static int device_count() => 0;

        /// <summary>Does nothing: there is no such device.</summary>
        public static void manual_seed(long seed)
        {
        }

        /// <summary>Does nothing: there is no such device.</summary>
        public static void manual_seed_all(long seed)
        {
        }

        public static void synchronize(Device? device = null) => InitializeDeviceType(DeviceType.CUDA);
    }
}
