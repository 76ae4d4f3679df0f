using System.Diagnostics.Metrics;
using Linformer.Coordinator.Telemetry;

namespace Linformer.Coordinator.Tests.Services;

public sealed class BadLossCountTests
{
    [Theory]
    [InlineData(2.5, 1000, 0)]
    [InlineData(double.NaN, 1000, 1)]
    [InlineData(double.PositiveInfinity, 1000, 1)]
    [InlineData(double.PositiveInfinity, 0, 1)]
    [InlineData(double.NaN, 0, 0)]
    public void A_step_that_is_left_out_has_no_bad_loss(double loss, double tokensPerSecond, long expected)
    {
        var counted = 0L;
        var thread = Environment.CurrentManagedThreadId;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == CoordinatorInstruments.MeterName && instrument.Name == "linformer.losses.bad")
                self.EnableMeasurementEvents(instrument);
        };
        // Other tests count on threads of their own.
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => counted += Environment.CurrentManagedThreadId == thread ? value : 0);
        listener.Start();

        CoordinatorInstruments.CountLoss(loss, tokensPerSecond);

        counted.ShouldBe(expected);
    }
}
