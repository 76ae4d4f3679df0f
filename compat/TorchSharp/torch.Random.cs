using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Seeds the default generator; returns an object for it.</summary>
    public static Generator manual_seed(long seed) => Generator.Default.manual_seed(seed);

    public static long seed() => Generator.Default.seed();

    public static long initial_seed() => Generator.Default.initial_seed();

    public static Tensor get_rng_state() => Generator.Default.get_state();

    public static void set_rng_state(Tensor new_state) => Generator.Default.set_state(new_state);

    public static partial class random
    {
        public static Generator manual_seed(long seed) => torch.manual_seed(seed);

        public static long seed() => torch.seed();

        public static long initial_seed() => torch.initial_seed();

        public static Tensor get_rng_state() => torch.get_rng_state();

        public static void set_rng_state(Tensor new_state) => torch.set_rng_state(new_state);
    }

    /// <summary>A source of random numbers.</summary>
    public unsafe class Generator : IDisposable
    {
        public Generator(ulong seed = 0, Device? device = null)
        {
            this.device = InitializeDevice(device ?? CPU);
            nint created;
            NativeMethods.Check(NativeMethods.tb_generator_new(seed, &created));
            Handle = created;
        }

        private Generator(nint handle)
        {
            Handle = handle;
            device = CPU;
        }

        ~Generator() => Dispose(disposing: false);

        /// <summary>Each reading makes another object for the default generator.</summary>
        public static Generator Default
        {
            get
            {
                nint found;
                NativeMethods.Check(NativeMethods.tb_generator_default(&found));
                return new Generator(found);
            }
        }

        public IntPtr Handle { get; private set; }

        public Device device { get; private set; }

        public Tensor get_state()
        {
            nint state;
            NativeMethods.Check(NativeMethods.tb_generator_state(Handle, &state));
            GC.KeepAlive(this);
            return new Tensor(state);
        }

        public void set_state(Tensor value)
        {
            NativeMethods.Check(NativeMethods.tb_generator_set_state(Handle, value is null ? 0 : value.Handle));
            autograd.KeepAlive(this, value);
        }

        public Generator manual_seed(long seed)
        {
            NativeMethods.Check(NativeMethods.tb_generator_seed(Handle, (ulong)seed));
            return this;
        }

        public long seed()
        {
            long seed = DateTime.UtcNow.Ticks;
            manual_seed(seed);
            return seed;
        }

        public long initial_seed()
        {
            ulong seed;
            NativeMethods.Check(NativeMethods.tb_generator_initial_seed(Handle, &seed));
            GC.KeepAlive(this);
            return (long)seed;
        }

        public void Dispose()
        {
            Dispose(disposing: true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            if (Handle != 0)
            {
                NativeMethods.tb_generator_free(Handle);
                Handle = 0;
            }
        }
    }
}
